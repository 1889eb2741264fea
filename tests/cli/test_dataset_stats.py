import json
import math

import entry_points
import pytest
from entry_points import assert_refused
from html_page import Page

from wavenet_ae.data import nsynth
from wavenet_ae.evaluation import dataset_document
from wavenet_ae.prepare.statistics.collection import collect
from wavenet_ae.prepare.statistics.description import describe
from wavenet_ae.prepare.statistics.splits import open_notes
from wavenet_ae.system.errors import UserError

# NSynth's notes by family: acoustic, electronic, synthetic (Engel et al. 2017, appendix).
NOTES = {
    "bass": (200, 8387, 60368),
    "brass": (13760, 70, 0),
    "flute": (6572, 35, 2816),
    "guitar": (13343, 16805, 5275),
    "keyboard": (8508, 42645, 3838),
    "mallet": (27722, 5581, 1763),
    "organ": (176, 36401, 0),
    "reed": (14262, 76, 528),
    "string": (20510, 84, 0),
    "synth_lead": (0, 0, 5501),
    "vocal": (3925, 140, 6688),
}
TABLE = """\
| family | acoustic | electronic | synthetic | total |
| --- | ---: | ---: | ---: | ---: |
| bass | 200 | 8,387 | 60,368 | 68,955 |
| brass | 13,760 | 70 | 0 | 13,830 |
| flute | 6,572 | 35 | 2,816 | 9,423 |
| guitar | 13,343 | 16,805 | 5,275 | 35,423 |
| keyboard | 8,508 | 42,645 | 3,838 | 54,991 |
| mallet | 27,722 | 5,581 | 1,763 | 35,066 |
| organ | 176 | 36,401 | 0 | 36,577 |
| reed | 14,262 | 76 | 528 | 14,866 |
| string | 20,510 | 84 | 0 | 20,594 |
| synth lead | 0 | 0 | 5,501 | 5,501 |
| vocal | 3,925 | 140 | 6,688 | 10,753 |
| total | 108,978 | 110,224 | 86,777 | 305,979 |
"""
INSTRUMENTS = 1006
# Whole instruments of the largest cell are held out: notes of each.
HELD_OUT = {"valid": [301] * 42 + [36], "test": [256] * 16}


def instrument_sizes():
    """Divides the notes of each family and source among instruments."""
    cells = {
        (family, source): count
        for family, counts in NOTES.items()
        for source, count in zip(nsynth.SOURCES, counts, strict=True)
        if count
    }
    held_out = [*HELD_OUT["valid"], *HELD_OUT["test"]]
    cells["bass", "synthetic"] -= sum(held_out)
    most = len(nsynth.PITCHES) * len(nsynth.VELOCITIES)
    numbers = {cell: math.ceil(count / most) for cell, count in cells.items()}
    numbers["mallet", "acoustic"] += INSTRUMENTS - len(held_out) - sum(numbers.values())
    sizes = [
        ("train", cell, (cells[cell] + i) // number)
        for cell, number in numbers.items()
        for i in range(number)
    ]
    return sizes + [
        (split, ("bass", "synthetic"), size) for split, row in HELD_OUT.items() for size in row
    ]


@pytest.fixture(scope="module")
def nsynth_labels(tmp_path_factory):
    """Labels with NSynth's numbers of notes and instruments, as its release unpacks."""
    splits = {split: {} for split in nsynth.SPLITS}
    for number, (split, (family, source), size) in enumerate(instrument_sizes()):
        instrument = nsynth.instrument_name(family, source, number)
        for i in range(size):
            pitch = nsynth.PITCHES[i % len(nsynth.PITCHES)]
            velocity = nsynth.VELOCITIES[i // len(nsynth.PITCHES)]
            splits[split][f"{instrument}-{pitch:03d}-{velocity:03d}"] = {
                "instrument_str": instrument,
                "instrument_family_str": family,
                "instrument_source_str": source,
                "pitch": pitch,
                "velocity": velocity,
                # Bright as often as not, dark where bright and in every third note.
                "qualities": [i % 2, int(i % 6 == 1), *[0] * 8],
            }
    root = tmp_path_factory.mktemp("nsynth")
    for split, entries in splits.items():
        (root / f"nsynth-{split}").mkdir()
        (root / f"nsynth-{split}" / "examples.json").write_text(json.dumps(entries))
    return root


def check_nsynth(document):
    table = document["all"]["notes_by_family_and_source"]
    for family, counts in NOTES.items():
        assert [table[family][source] for source in nsynth.SOURCES] == list(counts)
        assert table[family]["total"] == sum(counts)
    assert table["total"] == {
        "acoustic": 108_978,
        "electronic": 110_224,
        "synthetic": 86_777,
        "total": 305_979,
    }
    assert document["all"]["notes"] == 305_979
    assert {split: part["notes"] for split, part in document["splits"].items()} == {
        "train": 289_205,
        "valid": 12_678,
        "test": 4_096,
    }
    instruments = document["all"]["instruments_by_family_and_source"]
    assert document["all"]["instruments"] == instruments["total"]["total"] == INSTRUMENTS
    assert instruments["organ"]["acoustic"] == instruments["synth_lead"]["acoustic"] + 1 == 1
    pitches = document["all"]["pitches"]
    assert (pitches["lowest"], pitches["highest"], pitches["missing"]) == (21, 108, [])
    assert list(document["all"]["velocities"]) == ["25", "50", "75", "100", "127"]
    assert sum(document["all"]["velocities"].values()) == 305_979
    assert document["warnings"] == []  # no instrument of valid or test is in train
    assert document["all"]["sounds"] is document["all"]["hours"] is None
    assert document["findings"]["silent"] is document["findings"]["same_sounds"] is None
    assert document["fingerprints"]["dataset"]["labels_and_sounds"] is None


@pytest.mark.slow
def test_nsynths_own_table(nsynth_labels, tmp_path):
    result = entry_points.run(
        "dataset-stats", f"--notes={nsynth_labels}", "--metadata_only", f"--output={tmp_path}"
    )
    assert result.returncode == 0, result.stderr
    shown = [line.split() for line in result.stdout.splitlines()]
    assert ["total", "108,978", "110,224", "86,777", "305,979"] in shown
    assert ["organ", "176", "36,401", "0", "36,577"] in shown

    document = json.loads((tmp_path / "dataset.json").read_text())
    check_nsynth(document)
    assert TABLE in (tmp_path / "dataset.md").read_text()
    assert "| sounds measured | not read |" in (tmp_path / "dataset.md").read_text()
    page = Page((tmp_path / "report.html").read_text())
    for number in ("60,368", "305,979", "289,205", "not read"):
        assert number in page.text
    assert "Notes by their peak level" not in str(page.elements)


def test_a_single_split_of_nsynth_and_its_fingerprint(nsynth_labels):
    splits = open_notes(nsynth_labels, ["test"], with_sounds=False)
    document = describe(collect(splits, with_sounds=False), {})
    assert list(document["splits"]) == ["test"]
    assert document["all"] == document["splits"]["test"]
    assert document["all"]["notes_by_family_and_source"]["bass"]["synthetic"] == 4096
    together = document["all"]["qualities"]["together"]
    # Of bright notes a third are dark; all dark ones are bright.
    assert together["share_given"]["dark"]["bright"] == 1
    assert together["share_given"]["bright"]["dark"] == pytest.approx(1 / 3, abs=0.01)
    assert together["share_given"]["reverb"]["dark"] is None


def test_the_page_is_whole_and_holds_its_pictures(data_dir, tmp_path):
    result = entry_points.run(
        "dataset-stats",
        "--dataset=nsynth_json/by_note",
        f"--data_dir={data_dir}",
        f"--output={tmp_path}",
    )
    assert result.returncode == 0, result.stderr
    text = (tmp_path / "report.html").read_text()
    page = Page(text)
    assert len(page.all("svg")) == 7
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [a[key] for _, a in page.elements for key in ("src", "href") if key in a]
    assert all(link.startswith(("data:", "#")) for link in links)
    assert "http" not in text
    document = json.loads((tmp_path / "dataset.json").read_text())
    for warning in document["warnings"]:
        assert warning in page.text
    assert document["fingerprints"]["dataset"]["labels_and_sounds"] in page.text
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "dataset.json",
        "dataset.md",
        "report.html",
        "written.json",
    ]


def test_a_mistake_ends_in_one_sentence(tmp_path):
    result = entry_points.run("dataset-stats", f"--output={tmp_path / 'out'}")
    assert_refused(result, "give either --dataset with --data_dir, or --notes")


def test_an_output_that_cannot_be_written_is_refused_before_reading(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/out cannot be written \(Not a dir.* is a file"):
        dataset_document.FILES.check(tmp_path / "file" / "out")
    (tmp_path / "dataset.md").write_text("mine")
    with pytest.raises(UserError, match=r"holds dataset\.md, not written by this tool"):
        dataset_document.FILES.check(tmp_path)
    dataset_document.FILES.check(tmp_path / "new" / "out")
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "out").exists()
