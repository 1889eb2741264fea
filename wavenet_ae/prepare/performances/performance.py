"""What a performance is built from."""

from pathlib import Path
from typing import NamedTuple


class Performance(NamedTuple):
    """A sound file, and the notes that sound in it."""

    id: str  # FOLDER/NAME, with "/" and without suffix
    path: Path
    midi: Path
