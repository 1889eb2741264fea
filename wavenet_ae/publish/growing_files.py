"""The files of a study that is written part by part."""

import json
from pathlib import Path
from typing import Any

from wavenet_ae.publish import markdown
from wavenet_ae.publish.document import Document
from wavenet_ae.system import atomic_file


def write(folder: Path, name: str, numbers: Any, document: Document) -> None:
    """Writes `NAME.json` and `NAME.md`, each atomically, replacing earlier ones.

    The study recognises its own files by reading its earlier numbers. There is no record of what
    was written, which would make every process occupy JAX's devices.

    Args:
        folder: created if missing.
        name: of the files.
        numbers: what the document was made from, for JSON.
        document: so far.

    Raises:
        UserError: a file cannot be written.
    """
    in_json = json.dumps(numbers, indent=2) + "\n"
    for suffix, text in (("json", in_json), ("md", markdown.render(document))):
        with atomic_file.replacing(folder / f"{name}.{suffix}") as temporary:
            temporary.write_text(text, encoding="utf-8")
