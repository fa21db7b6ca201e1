"""When Lamina is asked, and by whom."""
