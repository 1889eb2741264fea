"""Several folders or archives of notes as one."""

from collections.abc import Iterator, Sequence

import numpy as np

from wavenet_ae.data import nsynth
from wavenet_ae.data.nsynth import Note
from wavenet_ae.prepare.notes_folder import NotesFolder
from wavenet_ae.prepare.nsynth_json.archive import Archive
from wavenet_ae.system.errors import UserError

_MOST_INSTRUMENTS = 1000  # of a family and source: NSynth's names have three digits


class Joined:
    """The notes of several sources; an instrument whose name is taken gets the next free number.

    Two renderings' `keyboard_acoustic_000` become `keyboard_acoustic_000` and, where the first
    one's last piano is 003, `keyboard_acoustic_004`.

    Attributes:
        notes: of all sources, under their new names.
        kinds: what each instrument, by its new name, is called in its source.
    """

    def __init__(self, sources: Sequence[tuple[NotesFolder | Archive, Sequence[Note]]]):
        """Takes the sources, each with its notes.

        Raises:
            UserError: a name that is taken is not of NSynth's form, or no number after it is free.
        """
        taken = {note.instrument for _, notes in sources for note in notes}
        used: set[str] = set()
        self.notes: list[Note] = []
        self.kinds: dict[str, str] = {}
        self._origins: dict[str, tuple[int, Note]] = {}
        for place, (source, notes) in enumerate(sources):
            names = {}
            for kind in sorted({note.instrument for note in notes}):
                names[kind] = _free_name(kind, taken, source.labels_name) if kind in used else kind
                taken.add(names[kind])
            used.update(names.values())
            self.kinds.update({name: kind for kind, name in names.items()})
            for note in notes:
                name = names[note.instrument]
                renamed = note
                if name != note.instrument:
                    note_str = str(nsynth.NoteName(name, note.pitch, note.velocity))
                    renamed = note._replace(name=note_str, instrument=name)
                if renamed.name in self._origins:
                    raise UserError(
                        f"{source.labels_name} has the note {note.name}, and {renamed.name}, as it "
                        "would be called here, exists already: remove one of them."
                    )
                self._origins[renamed.name] = (place, note)
                self.notes.append(renamed)
        self._sources = [source for source, _ in sources]

    def place(self, note: Note) -> int:
        """Returns which of the sources a note is from."""
        return self._origins[note.name][0]

    def sounds(self, notes: Sequence[Note]) -> Iterator[tuple[Note, np.ndarray]]:
        """Yields the notes source by source, with what `note_files.read_audio` returns.

        Raises:
            UserError: see `NotesFolder.sounds` and `Archive.sounds`.
        """
        parts = [{} for _ in self._sources]
        for note in notes:
            place, original = self._origins[note.name]
            parts[place][original] = note
        # All start here: a folder checks at once for missing sounds.
        streams = [s.sounds(list(part)) for s, part in zip(self._sources, parts, strict=True)]
        return (
            (part[original], audio)
            for stream, part in zip(streams, parts, strict=True)
            for original, audio in stream
        )


def _free_name(name: str, taken: set[str], where: str) -> str:
    """Returns the next name of the same family and source that no instrument has."""
    place = nsynth.parse_instrument_name(name)
    if place is not None:
        numbers = range(int(name[-3:]) + 1, _MOST_INSTRUMENTS)
        for candidate in (nsynth.instrument_name(*place, number) for number in numbers):
            if candidate not in taken:
                return candidate
    raise UserError(
        f"{where} has the instrument {name}, as another folder has, and no number is left to"
        " distinguish them: rename one of them."
    )
