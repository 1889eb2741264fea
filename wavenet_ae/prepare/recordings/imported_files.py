"""What an import records about the files, from call to call, and its report on them.

    DIR/import.json     where each note comes from, what was done to it, and what was refused
    DIR/.import.jsonl   the same during the work: the journal of `NotesWriter`

What has not changed since an earlier call is kept.
"""

import json
from collections.abc import Mapping
from typing import Any

from wavenet_ae.data.nsynth import Note
from wavenet_ae.prepare.notes_folder import NotesWriter


class ImportedFiles:
    """What is known of each file of recordings, and which note it has become.

    Args:
        folder: of the notes.
        request: what all of them have in common.
    """

    def __init__(self, folder: NotesWriter, request: Mapping[str, Any]):
        self.folder = folder
        self._request = request
        self._facts: dict[str, dict[str, Any]] = {}  # by file
        self._owners: dict[str, str] = {}  # the file that each note comes from
        earlier = folder.noted
        if folder.report is not None:
            files = folder.report.get("files")
            earlier = files.items() if isinstance(files, dict) else ()
        for file, known in earlier:
            if isinstance(known, dict):  # anything else was not written by us
                facts = {name: it for name, it in known.items() if name != "labels_from"}
                self._remember(file, facts)
        folder.begin(self._facts)

    def known(self, file: str, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns what is known of a file; empty if the file has changed since."""
        facts = self._facts.get(file, {})
        return facts if all(facts.get(name) == value for name, value in state.items()) else {}

    def has(self, file: str, state: Mapping[str, Any], note: str) -> bool:
        """Returns whether the note has been made from the file in this state."""
        return self.known(file, state).get("note") == note and self.folder.wav(note).is_file()

    def learn(self, file: str, state: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Adds to what is known of a file, and keeps it for a later call.

        Raises:
            UserError: it cannot be written.
        """
        known = {**self.known(file, state), **state, **facts}
        self._remember(file, known)
        self.folder.append(file, known)

    def _remember(self, file: str, facts: dict[str, Any]) -> None:
        note = facts.get("note")
        if note is not None:
            former = self._facts.get(self._owners.get(note, file), {})
            if former.get("note") == note:  # its sound has been replaced
                del former["note"]
            self._owners[note] = file
        self._facts[file] = facts

    def finish(
        self,
        notes: Mapping[str, Note],
        origins: Mapping[str, Mapping[str, str]],
        refused: Mapping[str, str],
    ) -> None:
        """Finishes the folder, with a report.

        Args:
            notes: by file.
            origins: by file: where its labels come from.
            refused: the reasons, by file.

        Raises:
            UserError: something cannot be written.
        """
        files = {}
        for file in sorted({*notes, *refused} & set(self._facts)):
            facts = {name: it for name, it in self._facts[file].items() if name != "note"}
            made = {"note": notes[file].name, "labels_from": origins[file]} if file in notes else {}
            files[file] = {**made, **facts}
        report = {
            "request": self._request,
            "refused": dict(sorted(refused.items())),
            "files": files,
        }
        instruments = sorted({note.instrument for note in notes.values()})
        self.folder.finish(
            notes.values(),
            {instrument: number for number, instrument in enumerate(instruments)},
            json.dumps(report, indent=1, ensure_ascii=False) + "\n",
        )
