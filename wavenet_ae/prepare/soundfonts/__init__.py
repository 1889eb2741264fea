"""Notes rendered from SoundFonts."""
