"""A run: the loop, what the user sees of it, what is measured on the way."""
