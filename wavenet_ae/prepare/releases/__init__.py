"""The releases of NSynth."""
