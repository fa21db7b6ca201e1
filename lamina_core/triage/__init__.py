"""What failures mean: causes, advice, differences and evidence."""
