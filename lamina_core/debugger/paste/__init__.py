"""Pasted material of any form, read into a webhook."""
