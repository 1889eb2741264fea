"""Utilities: atomic files, locks, worker pools, cooperating processes, settings and errors."""
