"""The exception for incomplete or damaged sound files."""


class DamageError(Exception):
    """An incomplete or damaged sound file; the message follows the file's name."""
