"""Benchmarks of this machine; what is compared is measured in one run."""
