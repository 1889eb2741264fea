"""What every room needs and no library has: atomic files, locks, workers, processes, errors."""
