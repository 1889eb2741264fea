import re

import jinja2
import numpy as np
import pytest
from html_page import Page, wav
from markupsafe import Markup

from wavenet_ae.audio import files
from wavenet_ae.evaluation import page
from wavenet_ae.evaluation.notes import Note
from wavenet_ae.evaluation.page import read_sound
from wavenet_ae.system.errors import UserError


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A tone as a WAV file."""
    path = tmp_path_factory.mktemp("sounds") / "take.2.wav"
    files.save(path, 0.5 * np.sin(2 * np.pi * 440 * np.arange(2000) / 16_000))
    return path


def fill(template, **values):
    """Renders a text that may name the macros."""
    everything = '{% from "base.html.jinja" import note_title, player, players, table %}'
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


def test_players_stand_in_rows_that_scroll(path):
    sounds = [read_sound(path, f"place-{i}") for i in range(6)]
    names = [f"sound {i}" for i in range(6)]
    cells = list(zip(sounds, names, strict=True))
    shown = Page(fill("{{ players(rows) }}", rows=[cells[:3], cells[3:]]))
    assert [player["aria-label"] for player in shown.all("audio")] == names
    assert shown.all("div") == [{"class": "scroll"}, {"class": "players", "style": "--columns: 3"}]


def test_table_names_columns_and_rows():
    rows = [("WaveNet", "79.6 %", 58), ["baseline", "46.9 %", 41]]
    values = {"caption": "Accuracy", "header": ("model", "pitch", "quality"), "rows": rows}
    text = fill("{{ table(caption, header, rows) }}", **values)
    assert Page(text).all("div") == [{"class": "scroll"}]
    assert "<caption>Accuracy</caption>" in text
    header, *body = re.findall(r"<tr>(.*)</tr>", text)
    assert header == "".join(f'<th scope="col">{x}</th>' for x in ("model", "pitch", "quality"))
    assert body == [
        '<th scope="row">WaveNet</th><td>79.6 %</td><td>58</td>',
        '<th scope="row">baseline</th><td>46.9 %</td><td>41</td>',
    ]


def test_table_may_be_empty_and_without_a_caption():
    shown = Page(fill("{{ table(none, ['model', 'pitch'], []) }}"))
    assert not shown.all("caption")
    assert shown.all("th") == [{"scope": "col"}] * 2


def test_table_escapes_all_but_markup():
    unsafe = "<script>a & b</script>"
    values = {"unsafe": unsafe, "safe": Markup("<code>run</code>")}
    text = fill("{{ table(unsafe, [unsafe, safe], [[unsafe, unsafe], [safe, safe]]) }}", **values)
    shown = Page(text)
    assert not shown.all("script")
    assert shown.text.count(unsafe) == text.count("&lt;script&gt;a &amp; b&lt;/script&gt;") == 4
    assert len(shown.all("code")) == 3


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
    assert used - {"--columns"} <= light == dark


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
    page.write(path, "old", "tool")
    page.write(path, "♯", "tool")
    assert path.read_bytes() == "♯".encode()
    assert {p.name for p in path.parent.iterdir()} == {"page.html", "written.json"}
    with pytest.raises(UserError, match=r"page\.html/.* cannot be written"):
        page.write(path / "more.html", "", "tool")
    path.write_text("mine")
    with pytest.raises(UserError, match=r"holds page\.html, not written by this tool"):
        page.write(path, "new", "tool")
    assert path.read_text() == "mine"
