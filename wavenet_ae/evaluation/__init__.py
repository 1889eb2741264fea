"""Evaluations of trained models, and of datasets."""
