"""Imports weights of other projects."""
