"""The files that a study writes."""

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wavenet_ae.publish import html, markdown
from wavenet_ae.publish.document import Document
from wavenet_ae.system import results
from wavenet_ae.system.errors import write_error


@dataclass(frozen=True)
class StudyFiles:
    """The names of a study's files.

    Attributes:
        tool: names the writer, which replaces only its own files; see `results.check`.
        page: the document in HTML.
        numbers: what it was made from, in JSON; None if there is no such file.
        text: the document in Markdown; None if there is no such file.
    """

    tool: str
    page: str = "report.html"
    numbers: str | None = None
    text: str | None = None

    def check(self, folder: Path, others: Iterable[str] = ()) -> None:
        """Checks before the work whether `write` can succeed.

        Args:
            folder: to write to.
            others: files of the study that `write_text` will write there.

        Raises:
            UserError: it cannot.
        """
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        try:
            with tempfile.TemporaryFile(dir=there):
                pass
        except OSError as error:
            raise write_error(folder, error) from error
        ours = (name for name in (self.numbers, self.text, self.page) if name)
        results.check(folder, (*ours, *others), self.tool)

    def write(
        self, folder: Path, document: Document, numbers: Mapping[str, Any] | None = None
    ) -> Path:
        """Writes the files, each atomically.

        Args:
            folder: created if missing.
            document: for the page and the Markdown file.
            numbers: for the JSON file, if there is one.

        Returns:
            The page's path.

        Raises:
            UserError: a file cannot be written, or would replace one that is not ours.
        """
        page = html.render(document)
        if self.numbers:
            text = json.dumps(numbers, indent=1, ensure_ascii=False)
            self.write_text(folder / self.numbers, text + "\n")
        if self.text:
            self.write_text(folder / self.text, markdown.render(document))
        self.write_text(folder / self.page, page)
        return folder / self.page

    def write_text(self, path: Path, text: str) -> None:
        """Writes a further file of the study as `write` does."""
        with results.replacing(path, self.tool) as temporary:
            temporary.write_text(text, encoding="utf-8")
