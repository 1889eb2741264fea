"""Flax Linen modules with plain typed fields. Independent of configurations and data."""
