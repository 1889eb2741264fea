"""Weights of other projects, under our names."""
