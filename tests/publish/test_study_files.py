import json

import pytest

from wavenet_ae.publish.document import Document, Paragraph
from wavenet_ae.publish.study_files import StudyFiles
from wavenet_ae.system.errors import UserError

FILES = StudyFiles("tool", numbers="study.json", text="study.md")
DOCUMENT = Document("Notes", (Paragraph("♯"),), ())


def test_the_files_of_a_study_replace_earlier_ones(tmp_path):
    folder = tmp_path / "new" / "folder"
    for numbers in ({"a": 1}, {"a": "♯"}):
        FILES.check(folder)
        assert FILES.write(folder, DOCUMENT, numbers) == folder / "report.html"
    names = {"report.html", "study.json", "study.md", "written.json"}
    assert {path.name for path in folder.iterdir()} == names
    assert json.loads((folder / "study.json").read_text(encoding="utf-8")) == {"a": "♯"}
    assert (folder / "study.md").read_text(encoding="utf-8") == "# Notes\n\n♯\n"
    assert "<p>♯</p>" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_page_may_be_all_there_is(tmp_path):
    StudyFiles("tool").write(tmp_path, DOCUMENT)
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "written.json"}


def test_what_cannot_be_written_is_named_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/out cannot be written \(Not a dir.* is a file"):
        FILES.check(tmp_path / "file" / "out")
    for name in ("study.md", "further.jsonl"):
        path = tmp_path / name
        path.write_text("mine")
        with pytest.raises(UserError, match=rf"holds {name}, not written by this tool"):
            FILES.check(tmp_path, ["further.jsonl"])
        with pytest.raises(UserError, match=rf"holds {name}, not written by this tool"):
            FILES.write_text(path, "new")
        assert path.read_text() == "mine"
        path.unlink()
    FILES.check(tmp_path / "new" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
