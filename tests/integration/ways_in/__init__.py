"""Ways in, and what happens when too much comes."""
