"""Performances, recordings with the MIDI files of their notes → a TFDS dataset."""
