"""How fast it is on this machine: measured side by side, in one run."""
