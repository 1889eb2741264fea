import re

import numpy as np
import pytest
from html_page import Page, wav

from wavenet_ae.audio import files
from wavenet_ae.publish import html, pictures
from wavenet_ae.publish.document import (
    Aside,
    Card,
    Details,
    Document,
    Facts,
    Figure,
    OnPage,
    Paragraph,
    Remark,
    Section,
    SideBySide,
    Sound,
    SoundGrid,
    Table,
)
from wavenet_ae.system.errors import UserError

UNSAFE = '<b>"A" & B</b>'


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A tone as a WAV file."""
    path = tmp_path_factory.mktemp("sounds") / "take.2.wav"
    files.save(path, 0.5 * np.sin(2 * np.pi * 440 * np.arange(2000) / 16_000))
    return path


@pytest.fixture
def undrawn(monkeypatch):
    monkeypatch.setattr(pictures, "draw_rainbowgram", lambda *_: "<svg></svg>")


def render(*blocks):
    return html.render(Document("Title", blocks, ()))


def test_a_sound_is_its_file_and_its_picture_under_its_name(path):
    shown = Page(render(Sound(path, UNSAFE)))
    [player] = shown.all("audio")
    assert wav(player["src"]) == path.read_bytes()
    assert player["aria-label"] == UNSAFE
    assert not shown.all("b")
    assert UNSAFE in shown.text
    [svg] = shown.all("svg")
    assert svg["aria-label"] == "Rainbowgram of take.2."


def test_pictures_share_no_ids(path):
    bars = pictures.draw_bars([1, 2], {"notes": [3, 4]}, UNSAFE, across="pitch")
    text = render(Sound(path, "one"), Sound(path, "again"), Figure(bars), Figure(bars))
    ids = [attributes["id"] for _, attributes in Page(text).elements if "id" in attributes]
    assert len(ids) == len(set(ids)) > 4
    references = re.findall(r'(?:href="|url\()#([^)"]*)', text)
    assert references
    assert set(references) <= set(ids)
    labels = [svg["aria-label"] for svg in Page(text).all("svg")]
    assert labels == ["Rainbowgram of take.2."] * 2 + [UNSAFE] * 2


def test_a_sound_that_is_shown_twice_is_encoded_once(path, undrawn, monkeypatch):
    encoded = []
    monkeypatch.setattr(html, "_uri", lambda path: encoded.append(path) or "data:,")
    shown = Page(render(Sound(path, "one"), Sound(path, "again")))
    assert encoded == [path]
    assert [player["src"] for player in shown.all("audio")] == ["data:,"] * 2


def test_a_sound_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.wav does not exist"):
        render(Card("of sounds", (SideBySide((Sound(tmp_path / "nowhere.wav", "one"),)),)))


def test_rows_of_sounds_scroll(path, undrawn):
    names = [f"sound {i}" for i in range(6)]
    sounds = [Sound(path, name) for name in names]
    shown = Page(render(SoundGrid([sounds[:3], sounds[3:]])))
    assert [player["aria-label"] for player in shown.all("audio")] == names
    assert shown.all("div") == [
        {"class": "card"},
        {"class": "scroll"},
        {"class": "players", "style": "--columns: 3"},
    ]


def test_a_table_names_columns_and_rows():
    rows = [("WaveNet", "79.6 %", "58"), ["baseline", "46.9 %", "41"]]
    text = render(Table(("model", "pitch", "quality"), rows, "Accuracy"))
    assert Page(text).all("div") == [{"class": "card"}, {"class": "scroll"}]
    assert "<caption>Accuracy</caption>" in text
    header, *body = re.findall(r"<tr>(.*)</tr>", text)
    assert header == "".join(f'<th scope="col">{x}</th>' for x in ("model", "pitch", "quality"))
    assert body == [
        '<th scope="row">WaveNet</th><td>79.6 %</td><td>58</td>',
        '<th scope="row">baseline</th><td>46.9 %</td><td>41</td>',
    ]


def test_columns_of_text():
    text = render(Table(("kind", "first", "count"), [("silent", "a; b", "2")], text_columns=2))
    header, body = re.findall(r"<tr>(.*)</tr>", text)
    assert header == (
        '<th scope="col">kind</th><th scope="col" class="text">first</th><th scope="col">count</th>'
    )
    assert body == '<th scope="row">silent</th><td class="text">a; b</td><td>2</td>'
    assert '<table class="words">' in text


def test_a_table_may_be_empty_and_without_a_caption():
    shown = Page(render(Table(["model", "pitch"], [])))
    assert not shown.all("caption")
    assert shown.all("th") == [{"scope": "col"}] * 2


def test_text_is_escaped_wherever_it_stands():
    unsafe, marked = "<script>a & b</script>", f"`{UNSAFE}` {UNSAFE} **{UNSAFE}**"
    blocks = (
        *(kind(unsafe) for kind in (Paragraph, Remark, Aside)),
        Table([unsafe, unsafe], [[unsafe, unsafe]], unsafe),
        Facts([(unsafe, unsafe)]),
        Figure("<svg></svg>", unsafe, unsafe),
        Card(unsafe, (Paragraph(marked),)),
        Details(unsafe, ()),
    )
    text = html.render(Document(unsafe, blocks, [Section(unsafe, blocks[:1])], blocks[:1], unsafe))
    shown = Page(text)
    assert not shown.all("script")
    assert shown.text.count(unsafe) == text.count("&lt;script&gt;a &amp; b&lt;/script&gt;") == 19
    assert not shown.all("b")
    assert shown.text.count(UNSAFE) == 3
    assert [len(shown.all(tag)) for tag in ("code", "strong")] == [1, 1]


def test_parts_of_a_text():
    text = "Notes of `nsynth`: **all four** of 2 * 2, `a_b`."
    expected = "Notes of <code>nsynth</code>: <strong>all four</strong> of 2 * 2, <code>a_b</code>."
    assert f"<p>{expected}</p>" in render(Paragraph(text))
    assert f'<p class="mark">{expected}</p>' in render(Remark(text))
    assert f'<p class="dim">{expected}</p>' in render(Aside(text))


def test_a_page_is_whole_with_nothing_from_outside():
    sections = [
        Section("First", (Paragraph("one"),), is_part=True),
        Section("Empty", ()),
        Section("Last", (OnPage((Details("more", (Facts([("steps", "7")]),)),)),)),
    ]
    text = html.render(Document("Of `nsynth`", (), sections, (Paragraph("the end"),)))
    assert text.startswith("<!DOCTYPE html>\n")
    assert "http" not in text
    page = Page(text)
    assert [page.all(tag) for tag in ("html", "title", "body")] == [[{"lang": "en"}], [{}], [{}]]
    assert "<title>Of nsynth</title>" in text
    assert {"name": "color-scheme", "content": "light dark"} in page.all("meta")
    assert page.all("h2") == [{"class": "part"}, {}]
    body = text.split("<body>")[1]
    assert " ".join(Page(body.split("</body>")[0]).text.split()) == (
        "Of nsynth First one Last more steps 7 the end"
    )
    # Every colour that is used has a value for light and for dark.
    used = set(re.findall(r"var\((--\w+)\)", text))
    light, dark = (set(re.findall(r"(--\w+):", part)) for part in text.split("@media")[:2])
    assert used - {"--columns"} <= light == dark
