import json

import jax
import pytest

from wavenet_ae.system import results
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.results import Record


@pytest.fixture
def process(monkeypatch):
    return lambda index: monkeypatch.setattr(jax, "process_index", lambda: index)


def write(folder, made_from, content="x", **settings):
    """Writes files through their record."""
    with Record(folder, "made", ".txt").writing(made_from, **settings):
        for name in made_from:
            (folder / f"{name}.txt").write_text(content)


def test_what_was_written_may_be_written_again_and_is_held(tmp_path):
    folder = tmp_path / "new"
    write(folder, {"a": "1", "take.2": "2"})
    for _ in range(2):
        record = Record(folder, "made", ".txt")
        assert record.holds("a", "1")
        assert record.holds("take.2", "2")
        assert not record.holds("a", "2")
        assert not record.holds("b", "1")
        write(folder, {"a": "1"})
    assert {path.name for path in folder.iterdir()} == {"a.txt", "take.2.txt", "made.json"}


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("what", ["file", "changed", "emptied", "folder", "link"])
def test_nothing_else_is_replaced(tmp_path, what, replace):
    write(tmp_path, {"a": "1"})
    path = tmp_path / ("a.txt" if what in ("changed", "emptied") else "b.txt")
    if what == "folder":
        path.mkdir()
    elif what == "link":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.write_text("" if what == "emptied" else "mine")
    before = {p: p.is_file() and p.read_text() for p in tmp_path.iterdir()}
    with pytest.raises(UserError, match=rf"holds {path.name}, not written by this tool or changed"):
        write(tmp_path, {"c": "1", path.stem: "1"}, "y", replace=replace)
    assert {p: p.is_file() and p.read_text() for p in tmp_path.iterdir()} == before


def test_own_files_made_from_something_else_are_replaced_where_that_is_wanted(tmp_path):
    names = ["a", "b", "c", "d"]
    write(tmp_path, dict.fromkeys(names, "1"))
    with pytest.raises(UserError, match=r"holds a\.txt, b\.txt, c\.txt and 1 more, made from some"):
        write(tmp_path, dict.fromkeys(names, "2"))
    write(tmp_path, {"a": "2"}, "y", replace=True)
    record = Record(tmp_path, "made", ".txt")
    assert record.holds("a", "2")
    assert record.holds("b", "1")


def test_an_interrupted_call_goes_on(tmp_path):
    write(tmp_path, {"a": "1"})
    with Record(tmp_path, "made", ".txt").writing({"a": "2", "b": "2"}, replace=True):
        (tmp_path / "b.txt").write_text("cut sh")
        interrupted = (tmp_path / "made.json").read_text()
    (tmp_path / "made.json").write_text(interrupted)
    assert not Record(tmp_path, "made", ".txt").holds("b", "2")
    write(tmp_path, {"a": "2", "b": "2"})
    assert Record(tmp_path, "made", ".txt").holds("b", "2")


def test_files_that_were_not_written_after_all_leave_no_line(tmp_path):
    with Record(tmp_path, "made", ".txt").writing({"a": "1"}):
        pass
    (tmp_path / "a.txt").write_text("mine")
    with pytest.raises(UserError, match="not written by this tool"):
        write(tmp_path, {"a": "1"})


def test_where_nothing_was_written_nothing_is_left(tmp_path):
    for folder in (tmp_path / "new", tmp_path):
        with Record(folder, "made", ".txt").writing({"a": "1"}):
            pass  # refused
        assert list(tmp_path.iterdir()) == []  # and the folder that was there stays
    (tmp_path / "other").touch()
    with Record(tmp_path / "new", "made", ".txt").writing({"a": "1"}):
        (tmp_path / "new" / "another's").touch()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["another's"]


def test_processes_of_one_folder_keep_each_others_files(tmp_path, process):
    process(0)
    first = Record(tmp_path, "made", ".txt")
    process(1)
    second = Record(tmp_path, "made", ".txt")
    for record, name in ((first, "a"), (second, "b")):
        with record.writing({name: "1"}):
            (tmp_path / f"{name}.txt").write_text(name)
    for index in (0, 1, 2):  # whichever goes on
        process(index)
        again = Record(tmp_path, "made", ".txt")
        assert again.holds("a", "1")
        assert again.holds("b", "1")
        again.check({"a": "1", "b": "1"})
    # One of them makes another file of that name: what the other one wrote of it is out of date.
    process(1)
    write(tmp_path, {"a": "3"}, "new", replace=True)
    process(0)
    assert Record(tmp_path, "made", ".txt").holds("a", "3")
    assert not Record(tmp_path, "made", ".txt").holds("a", "1")


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 1}', '{"name": "my notes"}', "\xff"])
def test_a_file_in_the_records_place_stays(tmp_path, content):
    (tmp_path / "made.json").write_text(content, encoding="latin-1")
    with pytest.raises(UserError, match=r"made\.json has the name of this tool's record"):
        write(tmp_path, {"a": "1"})
    assert (tmp_path / "made.json").read_text(encoding="latin-1") == content


def test_every_tool_replaces_its_own_pages_alone(tmp_path):
    for text in ("old", "new"):
        with results.replacing(tmp_path / "page.html", "one") as path:
            path.write_text(text)
    assert (tmp_path / "page.html").read_text() == "new"
    assert list(json.loads((tmp_path / "written.json").read_text())) == ["page.html"]
    results.check(tmp_path, ["page.html", "other.html"], "one")
    with pytest.raises(UserError, match=r"holds page\.html, made from something else"):
        results.check(tmp_path, ["page.html"], "other")
