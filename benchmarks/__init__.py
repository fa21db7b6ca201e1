"""Figures of the product on this machine; `make bench [ONLY=name]`."""
