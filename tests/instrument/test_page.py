"""How the page is written: what it holds, and what it leaves in files beside it."""

import base64
import dataclasses
import io
import json
import re

import numpy as np
import pytest
import soundfile
from instruments import write_instrument

from wavenet_ae.instrument import page, rendered
from wavenet_ae.system.errors import UserError


def elements(text):
    """Returns the content of each script that holds a sound, by its file."""
    found = re.findall(r'<script type="text/plain" data-file="([^"]*)">([^<]*)</script>', text)
    return dict(found)


def test_the_page_holds_the_sounds_and_asks_no_network(tmp_path):
    instrument = write_instrument(tmp_path, pitches=(60,))
    path, holds_sounds = page.write_page(tmp_path)
    assert holds_sounds
    text = path.read_text()
    assert "{{" not in text
    assert not re.search(r'(?:src|href)="(?!data:)', text)
    assert "http" not in re.sub(r"http-equiv", "", text)
    held = elements(text)
    assert set(held) == {note.file for note in instrument.notes}
    for name, flac in held.items():
        samples, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(flac)), dtype="int16")
        file, _ = soundfile.read(tmp_path / name, dtype="int16")
        assert rate_hz == 16_000
        assert np.array_equal(samples, file)


def test_a_larger_page_leaves_its_sounds_in_their_files(tmp_path):
    write_instrument(tmp_path, pitches=(60,))
    whole = page.write_page(tmp_path).path.stat().st_size
    assert page.write_page(tmp_path, limit_bytes=whole).holds_sounds
    path, holds_sounds = page.write_page(tmp_path, limit_bytes=whole - 1)
    assert not holds_sounds
    assert elements(path.read_text()) == {}
    assert path.stat().st_size < 200_000


def test_names_are_text_and_not_markup(tmp_path):
    instrument = write_instrument(tmp_path, pitches=(60,), resolution=2)
    renamed = dataclasses.replace(
        instrument, name="a </script> & {{sounds}}", sounds=("é", "<b>", "c", "d")
    )
    rendered.write(renamed, tmp_path)
    text = page.write_page(tmp_path).path.read_text()
    assert "<title>a &lt;/script&gt; &amp; {{sounds}}</title>" in text
    (described,) = re.findall(r'id="instrument">(.*?)</script>', text)
    assert json.loads(described)["name"] == "a </script> & {{sounds}}"
    assert json.loads(described)["sounds"] == ["é", "<b>", "c", "d"]


def test_what_cannot_become_a_page_is_named(tmp_path):
    with pytest.raises(UserError, match=r"instrument\.json cannot be read"):
        page.write_page(tmp_path)
    instrument = write_instrument(tmp_path, pitches=(60,), resolution=2)
    (tmp_path / instrument.notes[1].file).write_text("no sound")
    with pytest.raises(UserError, match=r"1-60\.wav is not a sound file"):
        page.write_page(tmp_path)
    assert not (tmp_path / "index.html").exists()


def test_a_page_of_someone_else_stays(tmp_path):
    write_instrument(tmp_path, pitches=(60,), resolution=2)
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(UserError, match=r"index\.html, not written by this tool"):
        page.write_page(tmp_path)
    assert (tmp_path / "index.html").read_text() == "mine"
