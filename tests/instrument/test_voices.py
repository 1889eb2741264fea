import numpy as np
import pytest
from live_sounds import HOP, sounds, tiny_codec

from wavenet_ae.instrument.performance import NoteOff, NoteOn, Pad, Panic
from wavenet_ae.instrument.voices import HEADROOM, Voices, seconds_a_chunk
from wavenet_ae.synthesis import sampler
from wavenet_ae.system.errors import UserError


@pytest.fixture(scope="module")
def codec():
    return tiny_codec()


@pytest.fixture(params=["one by one", "together"])
def layout(request, monkeypatch):
    """Voices in programs of their own, as on CPUs, and in one batch."""
    if request.param == "together":
        monkeypatch.setattr(sampler, "CACHED_BYTES", 0)


def play(voices, script, chunks):
    """Plays events by chunk; returns the audio, and the keys that sound in each chunk."""
    audio, keys = [], []
    for number in range(chunks):
        for event in script.get(number, ()):
            voices.send(event)
        chunk = voices.next_chunk()
        audio.append(chunk.audio)
        keys.append([voice.key for voice in chunk.voices])
    return np.concatenate(audio), keys


def generated(codec, frames, number, key):
    """What the sampler makes of the same frames at once."""
    embedding = sounds(1)[0].take(60)[None, frames]
    keys = sampler.note_keys(7, np.array([number]))
    return np.concatenate(list(codec.generate(embedding, keys, np.array([key]))), axis=1)[0]


def test_a_note_is_what_the_sampler_generates(codec, layout):
    voices = Voices(codec, sounds(1), 2, seed=7)
    audio, _ = play(voices, {3: [NoteOn(64, 127, at=50)]}, 3 + 40)
    start = 3 * HOP + 50
    assert not audio[:start].any()
    frames = [*range(30), *range(28, 18, -1)]
    expected = HEADROOM * generated(codec, frames, 0, 64)
    np.testing.assert_allclose(audio[start:], expected[: len(audio) - start], atol=1e-6)
    assert np.abs(expected).max() > 0.1


def test_a_voice_forgets_the_note_before(codec, layout):
    voices = Voices(codec, sounds(1), 2, seed=7)
    script = {0: [NoteOn(60, 127)], 5: [Panic()], 8: [NoteOn(62, 127, at=50)]}
    audio, _ = play(voices, script, 20)
    assert not audio[6 * HOP : 8 * HOP + 50].any()
    expected = HEADROOM * generated(codec, range(12), 1, 62)
    np.testing.assert_allclose(audio[8 * HOP + 50 :], expected[:-50], atol=1e-6)


def test_the_same_events_give_the_same_bits(codec, layout):
    script = {
        0: [NoteOn(60, 100), Pad((0.5, 0.5))],
        2: [NoteOn(64, 90, at=33)],
        4: [NoteOn(67, 127, at=3), Pad((0.1, 0.9), at=5)],  # takes the first's voice
        9: [NoteOff(64), NoteOff(67, at=100)],
    }
    runs = [play(Voices(codec, sounds(2), 2, seed=seed), script, 30) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    assert (runs[0][0] != runs[2][0]).any()
    keys = runs[0][1]
    assert keys[:6] == [[60], [60], [60, 64], [60, 64], [60, 64], [64, 67]]
    assert keys[-1] == []
    assert not runs[0][0][-HOP:].any()


def test_activity_tells_what_sounds(codec):
    voices = Voices(codec, sounds(1), 3)
    voices.send(NoteOn(60, 127))
    voices.send(NoteOn(72, 127, at=1))
    voices.next_chunk()
    voices.send(NoteOff(60))
    chunk = voices.next_chunk()
    assert [(v.slot, v.key, v.has_key) for v in chunk.voices] == [(0, 60, False), (1, 72, True)]
    assert all(0.01 < voice.level < 1 for voice in chunk.voices)
    assert chunk.audio.dtype == np.float32
    voices.close()


def test_the_mix_stays_within_full_scale(codec):
    voices = Voices(codec, sounds(1), 8)
    audio, _ = play(voices, {0: [NoteOn(key, 127) for key in range(60, 68)]}, 4)
    assert np.abs(audio).max() <= 1


def test_the_time_of_a_chunk_is_measured(codec):
    assert 0 < seconds_a_chunk(codec, sounds(2), 2) < 60


@pytest.mark.parametrize(
    ("model", "count", "num_voices", "message"),
    [
        ({"num_pitches": 0}, 1, 1, "run is not conditioned on pitch"),
        ({}, 0, 1, "There is no sound"),
        ({}, 1, 0, "num_voices=0 must be 1 or more"),
    ],
)
def test_what_cannot_be_played_is_told(model, count, num_voices, message):
    with pytest.raises(UserError, match=message):
        Voices(tiny_codec(has_weights=False, **model), sounds(count), num_voices)
