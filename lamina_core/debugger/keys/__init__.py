"""Keys in any form, read into what a webhook is held against."""
