"""Flax Linen modules with plain typed fields. Knows no configuration and no data."""
