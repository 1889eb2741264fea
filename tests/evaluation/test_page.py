import re

import jinja2
import numpy as np
import pytest
from html_page import Page, wav

from wavenet_ae.audio import files
from wavenet_ae.errors import UserError
from wavenet_ae.evaluation import page
from wavenet_ae.evaluation.notes import Note
from wavenet_ae.evaluation.page import read_sound


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A tone as a WAV file."""
    path = tmp_path_factory.mktemp("sounds") / "take.2.wav"
    files.save(path, 0.5 * np.sin(2 * np.pi * 440 * np.arange(2000) / 16_000))
    return path


def fill(template, **values):
    """Renders a text that may name the macros."""
    everything = '{% from "base.html.jinja" import note_title, player %}'
    return page._environment().from_string(everything + template).render(**values)


def test_sound_holds_the_file_and_its_picture(path):
    sound = read_sound(path, "one")
    assert wav(sound.uri) == path.read_bytes()
    drawn = Page(sound.picture)
    [svg] = drawn.all("svg")
    assert svg["aria-label"] == "Rainbowgram of take.2."


def test_prefix_keeps_the_ids_of_equal_names_apart(path):
    one, other = (read_sound(path, prefix).picture for prefix in ("one", "other"))
    ids = [{a["id"] for _, a in Page(drawn).elements if "id" in a} for drawn in (one, other)]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_sound_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.wav does not exist"):
        read_sound(tmp_path / "nowhere.wav", "one")


def test_player_shows_a_sound_under_its_name(path):
    sound = read_sound(path, "one")
    text = fill("{{ player(sound, name) }}", sound=sound, name='<b>"A" & B</b>')
    shown = Page(text)
    [player] = shown.all("audio")
    assert player["src"] == sound.uri
    assert player["aria-label"] == '<b>"A" & B</b>'
    assert not shown.all("b")
    assert '<b>"A" & B</b>' in shown.text
    assert sound.picture in text


def test_title_of_a_note():
    note = Note(3, "id", "synth_lead_acoustic_001", "synth_lead", "acoustic", 61, 100, ())
    assert fill("{{ note_title(note) }}", note=note) == "synth lead, acoustic, C♯4"


def test_frame_is_a_whole_page_with_nothing_from_outside():
    text = page.render("base.html.jinja")
    assert text.startswith("<!DOCTYPE html>\n")
    assert "http" not in text
    frame = Page(text)
    assert [frame.all(tag) for tag in ("html", "title", "body")] == [[{"lang": "en"}], [{}], [{}]]
    assert {"name": "color-scheme", "content": "light dark"} in frame.all("meta")
    # Every colour that is used has a value for light and for dark.
    used = set(re.findall(r"var\((--\w+)\)", text))
    light, dark = (set(re.findall(r"(--\w+):", part)) for part in text.split("@media")[:2])
    assert used <= light == dark


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("60|note_name", "C4"),
        ("69|hz", "440.0"),
        ("25|loudness", "very soft"),
        ("100|loudness", "loud"),
        ("127|loudness", "very loud"),
        ("0.001249|two_digits", "0.0012"),
        ("12|two_digits", "12"),
    ],
)
def test_filters(expression, expected):
    assert fill("{{ " + expression + " }}") == expected


def test_missing_values_are_errors():
    with pytest.raises(jinja2.UndefinedError, match="'step' is undefined"):
        fill("{{ step }}")


def test_write_replaces_a_page_or_names_it(tmp_path):
    path = tmp_path / "folder" / "page.html"
    page.write(path, "old")
    page.write(path, "♯")
    assert path.read_bytes() == "♯".encode()
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(UserError, match=r"page\.html/more\.html cannot be written"):
        page.write(path / "more.html", "")
