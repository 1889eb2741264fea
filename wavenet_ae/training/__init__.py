"""Training: one loop for all tasks."""
