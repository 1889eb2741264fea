import json

import pytest

from wavenet_ae.publish import growing_files
from wavenet_ae.publish.document import Document, Paragraph
from wavenet_ae.system.errors import UserError


def test_numbers_and_text_replace_earlier_ones(tmp_path):
    folder = tmp_path / "new" / "folder"
    for parts in (["one"], ["one", "µs"]):
        growing_files.write(folder, "study", parts, Document("Parts", [*map(Paragraph, parts)]))
    assert {path.name for path in folder.iterdir()} == {"study.json", "study.md"}
    assert json.loads((folder / "study.json").read_text()) == ["one", "µs"]
    assert (folder / "study.md").read_text(encoding="utf-8") == "# Parts\n\none\n\nµs\n"


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/out/study\.json cannot be written"):
        growing_files.write(tmp_path / "file" / "out", "study", [], Document("Parts", ()))
