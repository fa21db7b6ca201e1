"""Believable history: for benches, for trying things out, and for the sandbox's first minute."""
