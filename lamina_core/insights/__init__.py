"""What screens read: filters, pages, counts and health as plain data."""
