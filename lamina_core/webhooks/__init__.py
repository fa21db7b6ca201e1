"""What Lamina sends us: received, verified, stored."""
