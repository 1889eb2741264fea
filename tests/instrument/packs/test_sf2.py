import struct

import numpy as np
import pytest
import soundfile
from sampler_players import cut, held, play_sf2, rms, roughness, strongest_hz

from wavenet_ae.instrument import rendered
from wavenet_ae.prepare.soundfonts.synthesizer import SoundFont

FLUTE, BASS, ORGAN = 0, 1, 2


def played(packs, preset, key, held_s, seconds):
    events = held(key, held_s, on="noteon", off="noteoff")
    return play_sf2(packs / "tones.sf2", preset, events, seconds)[0]


def chunks(content):
    """The chunks of a RIFF list: names and bodies."""
    while content:
        name, size = struct.unpack("<4sI", content[:8])
        yield name, content[8 : 8 + size]
        content = content[8 + size + size % 2 :]


def test_it_holds_one_preset_for_each_sound(packs):
    with SoundFont(packs / "tones.sf2", gain=1.0) as font:
        assert font.presets() == dict(enumerate(("flute", "bass", "organ", "brass")))
        assert not font.warnings


@pytest.mark.parametrize("preset", [FLUTE, BASS])
def test_every_key_has_its_pitch(packs, instrument_folder, preset):
    keys = rendered.read(instrument_folder).keys()
    assert (keys[48][0], keys[72][1]) == (0, 127)
    for key in (24, *range(36, 85), 96):  # an octave beyond the outer pitches
        audio = played(packs, preset, key, 10.0, 1.2)
        cents = 1200 * np.log2(strongest_hz(cut(audio, 0.2, 1.2)) / 440) - 100 * (key - 69)
        assert abs(cents) < 10, key


def test_a_held_note_loops_without_a_click_and_ends_after_its_key(packs):
    audio = played(packs, FLUTE, 60, 8.0, 14.0)
    elsewhere = roughness(cut(audio, 0.5, 1.9)).max()
    # A loop's end that is one sample off is seven times as rough.
    assert roughness(cut(audio, 1.9, 7.9)).max() <= 1.05 * elsewhere
    assert rms(cut(audio, 7.0, 7.9)) == pytest.approx(rms(cut(audio, 0.5, 1.4)), rel=0.01)
    fallen = 20 * np.log10(rms(cut(audio, 8.5, 8.55)) / rms(cut(audio, 8.0, 8.05)))
    assert fallen == pytest.approx(-15, abs=3)  # the tone's first half of a second
    assert rms(cut(audio, 12.0, 14.0)) < 1e-4


def test_a_note_without_a_loop_ends(packs):
    audio = played(packs, ORGAN, 72, 8.0, 8.0)
    assert rms(cut(audio, 2.5, 2.9)) > 0.01
    assert rms(cut(audio, 4.1, 8.0)) < 1e-4


def test_the_gain_is_applied(packs):
    of_60, of_72 = (rms(cut(played(packs, FLUTE, key, 10.0, 1.0), 0.2, 0.9)) for key in (60, 72))
    assert of_72 / of_60 == pytest.approx(0.125 / 0.5, rel=0.02)
    # Sines of 0.6 and 0.3.
    assert of_60 == pytest.approx(0.5 * np.sqrt((0.6**2 + 0.3**2) / 2), rel=0.02)


def test_samples_are_the_notes_and_silence_follows_each(packs, instrument_folder):
    content = (packs / "tones.sf2").read_bytes()
    [(_, form)] = chunks(content)
    lists = {body[:4]: dict(chunks(body[4:])) for _, body in chunks(form[4:])}
    samples = np.frombuffer(lists[b"sdta"][b"smpl"], "<i2")
    headers = list(struct.iter_unpack("<20sIIIIIBbHH", lists[b"pdta"][b"shdr"]))
    assert len(headers) == 13  # the last ends the table
    instrument = rendered.read(instrument_folder)
    notes = [note for note in instrument.notes if note.cell in (0, 2, 6, 8)]
    for note, (_, start, end, first, last, rate, pitch, cents, _, kind) in zip(
        notes, headers, strict=False
    ):
        expected, _ = soundfile.read(instrument_folder / note.file, dtype="int16")
        np.testing.assert_array_equal(samples[start:end], expected)
        assert not samples[end : end + 46].any()
        assert (rate, pitch, cents, kind) == (16000, note.pitch, -note.cents, 1)
        if note.loop:
            assert (first - start, last - start) == note.loop
    assert len(samples) == headers[11][2] + 46


def test_the_pedal_and_velocity_work_as_in_any_font(packs):
    events = [(0.0, "noteon", 60, 64), (0.0, "cc", 64, 127), (0.5, "noteoff", 60)]
    audio, _ = play_sf2(packs / "tones.sf2", FLUTE, [*events, (2.0, "cc", 64, 0)], 6.0)
    assert rms(cut(audio, 1.5, 1.9)) == pytest.approx(rms(cut(audio, 0.1, 0.4)), rel=0.02)
    assert rms(cut(audio, 5.0, 6.0)) < 1e-4
    loud = rms(cut(played(packs, FLUTE, 60, 10.0, 1.0), 0.1, 0.4))
    assert rms(cut(audio, 0.1, 0.4)) / loud == pytest.approx((64 / 127) ** 2, rel=0.05)
