"""Statistics of a dataset of notes: counts, measurements and checks."""
