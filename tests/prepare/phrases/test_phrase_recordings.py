import json

import numpy as np
import pytest
import soundfile
from tiny_font import write_tiny_font

from wavenet_ae.audio import midi
from wavenet_ae.prepare.phrases.playing import read_midi
from wavenet_ae.prepare.phrases.render import compose_phrases, folder_name, render_phrases
from wavenet_ae.prepare.soundfonts.general_midi import INSTRUMENTS
from wavenet_ae.system.errors import UserError


@pytest.fixture
def font(tmp_path):
    """A piano on all keys and a harp that lacks most of them."""
    return write_tiny_font(tmp_path / "tiny.sf2", [(0, 0, 127), (46, 30, 35)])


PHRASES = {name: list(notes)[:12] for name, notes in compose_phrases(3, seed=0).items()}


def contents(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def test_recordings_have_the_notes_that_are_beside_them(font, tmp_path):
    said = render_phrases(font, tmp_path / "out", PHRASES, ["0"], processes=1)
    assert said == f"{tmp_path / 'out'}: 3 phrases each of acoustic_grand_piano; 3 of them new."
    folder = tmp_path / "out" / "acoustic_grand_piano"
    assert sorted(contents(folder)) == sorted(
        [f"{name}{suffix}" for name in PHRASES for suffix in (".mid", ".wav")] + ["phrases.json"]
    )
    assert json.loads((folder / "phrases.json").read_text())["program"] == 0
    for name, notes in PHRASES.items():
        assert [n.pitch for n in midi.read_notes(folder / f"{name}.mid")] == [
            n.pitch for n in notes
        ]
        audio, rate = soundfile.read(folder / f"{name}.wav")
        assert rate == 16_000
        assert np.abs(audio).max() == pytest.approx(10 ** (-3 / 20), rel=1e-3)
        assert len(audio) / rate == pytest.approx(notes[-1].end_s + 1, abs=0.01)
        longest = max(notes, key=lambda note: note.end_s - note.start_s)
        part = audio[round((longest.start_s + 0.02) * rate) : round(longest.end_s * rate)]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 2**18))
        found = spectrum.argmax() * rate / 2**18
        assert found == pytest.approx(441 * 2 ** ((longest.pitch - 69) / 12), rel=0.01)


def test_it_resumes_and_more_can_be_added(font, tmp_path):
    out = tmp_path / "out"
    render_phrases(font, out, PHRASES, ["0"], processes=1)
    folder = out / "acoustic_grand_piano"
    before = contents(folder)
    name = next(iter(PHRASES))
    (folder / f"{name}.wav").unlink()  # what a call has not finished
    (folder / ".0123.tmp").write_bytes(b"torn")
    said = render_phrases(font, out, PHRASES, ["0"], processes=1)
    assert said.endswith("1 of them new.")
    assert contents(folder) == before
    assert render_phrases(font, out, PHRASES, ["0"]).endswith("all there already.")
    more = compose_phrases(1, seed=1)
    render_phrases(font, out, {"another": more["phrase_0000"][:5]}, ["0"], processes=1)
    assert contents(folder).items() > before.items()


def test_other_content_is_left(font, tmp_path):
    out = tmp_path / "out"
    render_phrases(font, out, PHRASES, ["0"], processes=1)
    folder = out / "acoustic_grand_piano"
    before = contents(folder)
    others = {name: notes[1:] for name, notes in PHRASES.items()}
    with pytest.raises(UserError, match=r"phrase_0000\.mid holds other notes than are to be"):
        render_phrases(font, out, others, ["0"])
    another = write_tiny_font(tmp_path / "another.sf2", [(0, 0, 100)])
    with pytest.raises(UserError, match="not rendered with this font by this tool"):
        render_phrases(another, out, PHRASES, ["0"])
    assert contents(folder) == before
    (tmp_path / "mine" / "acoustic_grand_piano").mkdir(parents=True)
    (tmp_path / "mine" / "acoustic_grand_piano" / "take.wav").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"holds take\.wav, not rendered"):
        render_phrases(font, tmp_path / "mine", PHRASES, ["0"])


def test_an_instrument_without_these_keys_is_named(font, tmp_path):
    with pytest.raises(UserError, match=r"silent for all notes of phrase_000.\.mid, program 46"):
        render_phrases(font, tmp_path / "out", PHRASES, ["46"], processes=1)
    assert not list((tmp_path / "out").rglob("*.wav"))
    with pytest.raises(UserError, match="has no program 40"):
        render_phrases(font, tmp_path / "none", PHRASES, ["40"])
    assert not (tmp_path / "none").exists()


def test_midi_files_are_phrases(tmp_path):
    for name in ("one", "more/two"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        midi.save(tmp_path / f"{name}.mid", PHRASES["phrase_0000"], 0)
    (tmp_path / "readme.txt").write_text("not MIDI")
    found = read_midi([tmp_path])
    assert sorted(found) == ["more/two", "one"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty holds no files of these kinds: \.mid"):
        read_midi([tmp_path / "empty"])


def test_folders_are_named_as_programs():
    names = [folder_name(instrument) for instrument in INSTRUMENTS]
    assert {"violin", "acoustic_guitar_nylon", "lead_1_square"} < set(names)
    assert len(set(names)) == len(names)
