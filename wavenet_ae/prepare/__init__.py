"""How datasets come to be."""
