"""A faithful local Lamina: the ground that tests and demos stand on."""
