import json
import struct
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import FONTS
from tiny_font import write_tiny_font

from wavenet_ae.data import nsynth
from wavenet_ae.prepare import rendering
from wavenet_ae.prepare.soundfonts import general_midi, sf3, soundfont, synthesizer
from wavenet_ae.system.errors import UserError


@pytest.fixture
def tiny_font(tmp_path: Path) -> Path:
    """A piano on all keys and a drawbar organ on one octave."""
    return write_tiny_font(tmp_path / "tiny.sf2", [(0, 0, 127), (16, 60, 71)])


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# The table of programs.


def test_the_table_covers_all_programs_and_families():
    assert len(general_midi.PROGRAM_NAMES) == 128
    kept = {instrument.program for instrument in general_midi.INSTRUMENTS}
    assert kept | set(general_midi.LEFT_OUT) == set(range(128))
    assert not kept & set(general_midi.LEFT_OUT)
    assert {it.family for it in general_midi.INSTRUMENTS} == set(nsynth.FAMILIES)
    assert {it.source for it in general_midi.INSTRUMENTS} == set(nsynth.SOURCES)


@pytest.mark.parametrize(
    ("program", "program_name", "name"),
    [
        (0, "Acoustic Grand Piano", "keyboard_acoustic_000"),
        (4, "Electric Piano 1", "keyboard_electronic_001"),
        (12, "Marimba", "mallet_acoustic_004"),
        (19, "Church Organ", "organ_acoustic_000"),
        (30, "Distortion Guitar", "guitar_electronic_004"),
        (38, "Synth Bass 1", "bass_synthetic_000"),
        (40, "Violin", "string_acoustic_000"),
        (53, "Voice Oohs", "vocal_acoustic_001"),
        (56, "Trumpet", "brass_acoustic_000"),
        (65, "Alto Sax", "reed_acoustic_004"),
        (73, "Flute", "flute_acoustic_001"),
        (80, "Lead 1 (square)", "synth_lead_synthetic_000"),
        (110, "Fiddle", "string_acoustic_010"),
    ],
)
def test_programs_have_general_midis_numbers(program, program_name, name):
    (instrument,) = general_midi.select_instruments([str(program)])
    assert (instrument.program_name, instrument.name) == (program_name, name)
    assert general_midi.PROGRAM_NAMES[program] == program_name


def test_names_are_numbered_without_gaps_and_indices_follow_the_table():
    instruments = general_midi.INSTRUMENTS
    assert [it.index for it in instruments] == list(range(len(instruments)))
    names = {it.name for it in instruments}
    places = Counter((it.family, it.source) for it in instruments)
    assert names == {
        nsynth.instrument_name(family, source, number)
        for (family, source), count in places.items()
        for number in range(count)
    }


def test_instruments_are_selected_by_name_number_and_family():
    chosen = general_midi.select_instruments(["organ", "bass_synthetic_001", "0"])
    assert [it.program for it in chosen] == [0, 16, 17, 18, 19, 20, 39]


@pytest.mark.parametrize(
    ("word", "part"), [("127", "Gunshot"), ("128", "'128'"), ("piano", "'piano'"), ("", "''")]
)
def test_unknown_instruments_are_named(word, part):
    with pytest.raises(UserError, match=part):
        general_midi.select_instruments([word])


# The sound of a note.


@pytest.mark.parametrize("program", [0, 19, 48, 81])
def test_a_note_does_not_depend_on_the_notes_before_it(font_path, program):
    with synthesizer.SoundFont(font_path, gain=0.7) as font:
        alone = font.render(program, 60, 100)
    with synthesizer.SoundFont(font_path, gain=0.7) as font:
        for pitch, velocity in ((24, 127), (100, 25), (60, 100), (60, 50)):
            font.render(program, pitch, velocity)
        font.render((program + 5) % 128, 61, 127)
        after_others = font.render(program, 60, 100)
    assert np.abs(alone).max() > 0.01
    np.testing.assert_array_equal(alone, after_others)


def test_the_sine_of_a_font_keeps_its_pitch_and_stops_at_the_release(tiny_font):
    with synthesizer.SoundFont(tiny_font, gain=0.5) as font:
        samples = font.render(0, 81, 127)  # an octave above the sample's own 441 Hz
        softer = font.render(0, 81, 64)
    assert samples.shape == (nsynth.NOTE_SAMPLES,)
    assert samples.dtype == np.float32
    spectrum = np.abs(np.fft.rfft(samples[16_000:32_000] * np.hanning(16_000)))
    assert np.argmax(spectrum) == 882
    # The resampled sine is clean: 16 bits keep nothing outside of it.
    spectrum[870:895] = 0
    assert spectrum.max() < 1e-4 * 0.5 * 8000 * np.abs(samples).max()
    assert np.abs(samples[nsynth.HELD_SAMPLES - 800 : nsynth.HELD_SAMPLES]).max() > 0.02
    assert np.abs(samples[nsynth.HELD_SAMPLES + 1600 :]).max() < 1e-4
    # A key struck half as hard is a quarter as loud (SoundFont 2.01, section 8.4.2).
    ratio = np.abs(softer).max() / np.abs(samples).max()
    assert ratio == pytest.approx((64 / 127) ** 2, rel=0.05)


def test_what_lies_beyond_the_band_is_gone_and_does_not_fold_back(tiny_font):
    with synthesizer.SoundFont(tiny_font, gain=0.5) as font:
        inside = font.render(0, 108, 127)  # 4196 Hz
        beyond = font.render(0, 123, 127)  # 9981 Hz: at 16 kHz it would appear at 6019 Hz
    assert np.abs(inside[1600:16_000]).max() > 0.02
    # (The onset's own spread in frequency is no alias.)
    assert np.abs(beyond[1600:16_000]).max() < 1e-3 * np.abs(inside[1600:16_000]).max()


def test_presets_are_listed(tiny_font):
    with synthesizer.SoundFont(tiny_font, gain=0.5) as font:
        assert font.presets() == {0: "Tiny 0", 16: "Tiny 16"}
        with pytest.raises(ValueError, match="program 5"):
            font.render(5, 60, 100)


# The folder.


@pytest.fixture(scope="module")
def rendered(font_path, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("rendered") / "notes"
    soundfont.render_soundfont(
        font_path,
        output,
        instruments=["0", "organ_acoustic_000"],
        pitches=[48, 60],
        velocities=[50, 127],
        processes=1,
    )
    return output


def test_layout(rendered, font_path):
    assert sorted(path.name for path in rendered.iterdir()) == [
        "audio",
        "examples.json",
        "rendering.json",
    ]
    examples = json.loads((rendered / "examples.json").read_text())
    assert list(examples) == [
        f"{name}-{pitch:03d}-{velocity:03d}"
        for name in ("keyboard_acoustic_000", "organ_acoustic_000")
        for pitch in (48, 60)
        for velocity in (50, 127)
    ]
    files = {path.stem for path in (rendered / "audio").glob("*.wav")}
    assert files == set(examples)
    for number, (note_str, entry) in enumerate(examples.items()):
        qualities = entry.pop("qualities")
        assert len(qualities) == 10
        assert set(qualities) <= {0, 1}
        assert entry.pop("qualities_str") == [
            name for name, held in zip(nsynth.QUALITIES, qualities, strict=True) if held
        ]
        name = nsynth.parse_note_name(note_str)
        is_organ = name.instrument == "organ_acoustic_000"
        assert entry == {
            "note": number,
            "note_str": note_str,
            "instrument": 19 if is_organ else 0,
            "instrument_str": name.instrument,
            "pitch": name.pitch,
            "velocity": name.velocity,
            "sample_rate": 16_000,
            "instrument_family": 6 if is_organ else 4,
            "instrument_family_str": "organ" if is_organ else "keyboard",
            "instrument_source": 0,
            "instrument_source_str": "acoustic",
        }
        info = soundfile.info(rendered / "audio" / f"{note_str}.wav")
        assert (info.samplerate, info.channels, info.frames) == (16_000, 1, 64_000)
        assert (info.format, info.subtype) == ("WAV", "PCM_16")


def test_the_record_names_the_font_but_no_path(rendered, font_path):
    text = (rendered / "rendering.json").read_text()
    rendering = json.loads(text)
    assert rendering["soundfont"] == font_path.name
    assert len(rendering["request"]["soundfont_sha256"]) == 64
    assert rendering["totals"]["notes"] == 8
    piano = rendering["instruments"]["keyboard_acoustic_000"]
    assert (piano["program"], piano["program_name"]) == (0, "Acoustic Grand Piano")
    assert str(font_path.parent) not in text
    assert str(rendered) not in text


def test_louder_keys_are_louder(rendered):
    soft, loud = (
        soundfile.read(rendered / "audio" / f"keyboard_acoustic_000-060-{velocity}.wav")[0]
        for velocity in ("050", "127")
    )
    assert np.abs(loud).max() > 2 * np.abs(soft).max()


def test_samples_do_not_depend_on_the_selection_nor_on_the_processes(rendered, font_path, tmp_path):
    soundfont.render_soundfont(
        font_path,
        tmp_path / "more",
        instruments=["organ_acoustic_000", "1"],
        pitches=[36, 60],
        velocities=[127],
        processes=2,
    )
    note = "audio/organ_acoustic_000-060-127.wav"
    assert (tmp_path / "more" / note).read_bytes() == (rendered / note).read_bytes()

    soundfont.render_soundfont(
        font_path,
        tmp_path / "again",
        instruments=["organ_acoustic_000", "0"],
        pitches=[48, 60],
        velocities=[50, 127],
        processes=3,
    )
    assert _contents(tmp_path / "again") == _contents(rendered)


def test_an_interrupted_rendering_goes_on(tiny_font, tmp_path, monkeypatch):
    whole, output = tmp_path / "whole", tmp_path / "notes"
    request = {"pitches": [60, 61], "velocities": [50, 100]}
    soundfont.render_soundfont(tiny_font, whole, **request, processes=1)

    # Two of the four jobs are done, then the call ends.
    run = rendering.run

    def run_half(render, jobs, *settings):
        run(render, jobs[:2], *settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(rendering, "run", run_half)
    with pytest.raises(KeyboardInterrupt):
        soundfont.render_soundfont(tiny_font, output, **request, processes=1)
    monkeypatch.undo()
    assert not (output / "examples.json").exists()
    finished = sorted((output / "audio").glob("*.wav"))
    assert len(finished) == 4
    before = {path: path.stat().st_mtime_ns for path in finished}

    # Other settings do not touch what is there.
    with pytest.raises(UserError, match="unfinished notes that were rendered with other pitches"):
        soundfont.render_soundfont(tiny_font, output, pitches=[60], velocities=[50, 100])

    soundfont.render_soundfont(tiny_font, output, **request, processes=1)
    assert {path: path.stat().st_mtime_ns for path in finished} == before
    assert _contents(output) == _contents(whole)


def test_a_finished_rendering_is_left_alone(tiny_font, tmp_path):
    output = tmp_path / "notes"
    request = {"pitches": [60], "velocities": [100], "instruments": ["0"]}
    soundfont.render_soundfont(tiny_font, output, **request, processes=1)
    before = _contents(output)
    assert "already" in soundfont.render_soundfont(tiny_font, output, **request)
    with pytest.raises(UserError, match="other velocities and gain"):
        soundfont.render_soundfont(
            tiny_font, output, **(request | {"velocities": [50], "gain": 2.0})
        )
    other_font = write_tiny_font(tmp_path / "other.sf2", [(0, 0, 126)])
    with pytest.raises(UserError, match="other soundfont"):
        soundfont.render_soundfont(other_font, output, **request)
    assert _contents(output) == before


def test_silent_notes_are_left_out_and_counted(tiny_font, tmp_path):
    output = tmp_path / "notes"
    message = soundfont.render_soundfont(
        tiny_font, output, pitches=[59, 60, 72], velocities=[50, 100], processes=1
    )
    assert "8 notes of 2 instruments, 4 silent ones left out, 0 clipped" in message
    assert "Silent throughout" not in message
    examples = json.loads((output / "examples.json").read_text())
    assert [name for name in examples if name.startswith("organ")] == [
        "organ_electronic_000-060-050",
        "organ_electronic_000-060-100",
    ]
    assert {path.stem for path in (output / "audio").iterdir()} == set(examples)
    assert [entry["note"] for entry in examples.values()] == list(range(8))
    counts = json.loads((output / "rendering.json").read_text())["instruments"]
    assert counts["organ_electronic_000"]["silent"] == 4
    assert counts["keyboard_acoustic_000"]["silent"] == 0


def test_an_instrument_without_a_note_is_named(tiny_font, tmp_path):
    message = soundfont.render_soundfont(
        tiny_font, tmp_path / "notes", pitches=[20], velocities=[100], processes=1
    )
    assert message.endswith(" Silent throughout: organ_electronic_000.")


def test_all_silent_is_an_error(tiny_font, tmp_path):
    with pytest.raises(UserError, match="silent at all requested pitches"):
        soundfont.render_soundfont(
            tiny_font, tmp_path / "notes", instruments=["organ"], pitches=[20], processes=1
        )
    assert not (tmp_path / "notes").exists()


def test_clipped_notes_are_counted_and_do_not_wrap_around(tiny_font, tmp_path):
    output = tmp_path / "notes"
    message = soundfont.render_soundfont(
        tiny_font,
        output,
        instruments=["0"],
        pitches=[69],
        velocities=[10, 127],
        gain=10.0,
        processes=1,
    )
    assert "1 clipped (see --gain)" in message
    samples, _ = soundfile.read(output / "audio/keyboard_acoustic_000-069-127.wav", dtype="int16")
    assert samples.max() == 32767
    assert samples.min() == -32768
    steps = np.abs(np.diff(samples.astype(int)))
    assert steps.max() < 60_000


# What goes wrong.


def test_a_missing_font(tmp_path):
    with pytest.raises(UserError, match="no SoundFont file"):
        soundfont.render_soundfont(tmp_path / "none.sf2", tmp_path / "notes")


@pytest.mark.parametrize("place", [b"smpl", b"phdr", b"igen", b"shdr", None])
def test_a_font_that_breaks_off(tiny_font, tmp_path, place):
    content = tiny_font.read_bytes()
    end = content.index(place) + 30 if place else len(content) - 5
    tiny_font.write_bytes(content[:end])
    with pytest.raises(UserError, match="damaged"):
        soundfont.render_soundfont(tiny_font, tmp_path / "notes")
    assert not (tmp_path / "notes").exists()


def _with_damage(font: Path, path: Path, place: int) -> Path:
    content = bytearray(font.read_bytes())
    start = content.index(b"smpl") + 8
    content[start + place] ^= 1
    path.write_bytes(content)
    return path


def test_a_compressed_sample_that_is_damaged_is_named(tmp_path):
    if not FONTS[1].exists():
        pytest.skip("no sf3 font is installed")
    assert sf3.damaged_samples(FONTS[1]) == []
    assert sf3.damaged_samples(FONTS[0]) == []
    font = _with_damage(FONTS[1], tmp_path / "damaged.sf3", 1_000_000)
    (name,) = sf3.damaged_samples(font)
    with pytest.raises(UserError, match=rf"1 of its samples are incomplete, {name!r} among them"):
        soundfont.render_soundfont(font, tmp_path / "notes")
    assert not (tmp_path / "notes").exists()


def test_a_sample_that_fluidsynth_cannot_read_is_named(tiny_font, tmp_path, monkeypatch):
    if not FONTS[1].exists():
        pytest.skip("no sf3 font is installed")
    content = bytearray(FONTS[1].read_bytes())
    start = content.index(b"smpl") + 8
    content[start : content.index(b"phdr") - 12] = bytes(content.index(b"phdr") - 12 - start)
    font = tmp_path / "zeros.sf3"
    font.write_bytes(content)
    monkeypatch.setattr(sf3, "damaged_samples", lambda _: [])
    with pytest.raises(UserError, match=r"zeros\.sf3 is damaged .*Unable to load sample"):
        soundfont.render_soundfont(font, tmp_path / "notes")
    with synthesizer.SoundFont(tiny_font, gain=0.5) as another:  # which has nothing to do with it
        assert another.render(0, 60, 100).any()


def test_what_fluidsynth_leaves_out_is_told(tiny_font, tmp_path, capsys):
    content = bytearray(tiny_font.read_bytes())
    start = content.index(b"sine\0") + 20
    content[start + 4 : start + 8] = struct.pack("<I", 10_000_000)  # beyond all samples
    tiny_font.write_bytes(content)
    with pytest.raises(UserError, match="silent at all requested pitches"):
        soundfont.render_soundfont(tiny_font, tmp_path / "notes", pitches=[60], processes=1)
    told = capsys.readouterr().err
    assert f"{tiny_font}: FluidSynth says: Sample 'sine': invalid start/end" in told


def test_a_font_without_the_program(tiny_font, tmp_path):
    with pytest.raises(UserError, match=r"no program 40 \(Violin\)"):
        soundfont.render_soundfont(tiny_font, tmp_path / "notes", instruments=["0", "40"])
    drums = write_tiny_font(tmp_path / "drums.sf2", [(115, 0, 127)])
    with pytest.raises(UserError, match="no melodic General MIDI program"):
        soundfont.render_soundfont(drums, tmp_path / "notes")
    assert not (tmp_path / "notes").exists()


def test_an_output_with_something_else(tiny_font, tmp_path):
    with pytest.raises(UserError, match=r"holds tiny\.sf2, which is not part of any notes"):
        soundfont.render_soundfont(tiny_font, tmp_path)
    with pytest.raises(UserError, match=r"tiny\.sf2 cannot be written \(Not a directory\)"):
        soundfont.render_soundfont(tiny_font, tiny_font)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "examples.json").write_text("{}")
    with pytest.raises(UserError, match="not rendered here"):
        soundfont.render_soundfont(tiny_font, tmp_path / "notes")


def test_fluidsynth_is_missing(tiny_font, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fluidsynth", None)
    monkeypatch.setattr(synthesizer, "_LIBRARY", "libfluidsynth-of-nowhere.so")
    synthesizer._library.cache_clear()
    try:
        with pytest.raises(UserError, match="apt-get install libfluidsynth3"):
            soundfont.render_soundfont(tiny_font, tmp_path / "notes")
    finally:
        synthesizer._library.cache_clear()
