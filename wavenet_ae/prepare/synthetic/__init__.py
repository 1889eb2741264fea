"""Notes of instruments that are drawn at random and synthesized by rule."""
