"""Notes imported from recordings."""
