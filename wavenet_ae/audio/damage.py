"""The exception of sound files that are not whole."""


class DamageError(Exception):
    """A sound file that is not whole; the message goes on after the file's name."""
