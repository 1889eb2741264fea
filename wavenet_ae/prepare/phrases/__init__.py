"""Phrases that instruments of a SoundFont play: recordings for translation between them."""
