import numpy as np
import pytest

from wavenet_ae.instrument import loops
from wavenet_ae.instrument.loops import CROSSFADE, Loop

LENGTH = 52_000
SECONDS = np.arange(LENGTH) / 16_000


def tone(hz, *, vibrato_cents=0.0, decay_db_per_s=0.0, noise=0.0):
    cents = vibrato_cents * np.sin(2 * np.pi * 5.3 * SECONDS)
    phase = 2 * np.pi * np.cumsum(hz * 2 ** (cents / 1200)) / 16_000
    sound = sum(np.sin(k * phase + k) / k for k in range(1, 7) if k * hz < 7_500)
    sound = 0.2 * sound * 10 ** (-decay_db_per_s * SECONDS / 20)
    return (sound + np.random.default_rng(1).normal(scale=noise + 1e-9, size=LENGTH)).astype("f4")


def midi(hz):
    return round(69 + 12 * np.log2(hz / 440))


def played(audio, loop, samples):
    """What a player makes of it while a key is held."""
    first = audio[: loop.end]
    again = audio[loop.start : loop.end]
    repeats = -(-(samples - len(first)) // len(again))
    return np.concatenate([first, *[again] * repeats])[:samples]


@pytest.mark.parametrize("hz", [61.3, 220.7, 878.1])
@pytest.mark.parametrize("vibrato_cents", [0.0, 20.0])
def test_a_held_tone_repeats_without_a_step_or_a_change_of_level(hz, vibrato_cents):
    audio = tone(hz, vibrato_cents=vibrato_cents)
    loop = loops.find(audio, midi(hz), 4800, 46_000)
    assert loop.correlation > 0.99
    assert loop.start >= 4800
    assert loop.end <= 46_000
    assert loop.end - loop.start >= loops.SHORTEST
    baked = loops.bake(audio, loop)
    held = played(baked, loop, 4 * LENGTH)
    # The second difference shows a step at the seam: there is none that is larger than elsewhere.
    bends = np.abs(np.diff(held, 2))
    assert bends[loop.start + 100 :].max() <= 1.02 * np.abs(np.diff(audio, 2)).max()
    levels = np.sqrt(np.convolve(held[4800:] ** 2, np.ones(3200) / 3200, "valid"))
    assert levels.max() / levels.min() < 10 ** (1.0 / 20)


def test_playing_on_past_the_loop_has_no_step_and_is_the_original_again():
    audio = tone(220.7)
    loop = Loop(10_000, 30_011, 1.0)  # out of phase, so that a missing crossfade shows
    baked = loops.bake(audio, loop)
    assert np.abs(np.diff(baked, 2)).max() <= 1.05 * np.abs(np.diff(audio, 2)).max()
    changed = np.flatnonzero(baked != audio)
    assert changed.min() > loop.end - CROSSFADE
    assert changed.max() < loop.end + CROSSFADE
    # The end has become what the start follows.
    assert baked[loop.end] == pytest.approx(audio[loop.start], abs=1e-6)
    assert (
        np.abs(np.diff(played(baked, loop, 60_000), 2))[10_000:].max()
        <= 1.05 * np.abs(np.diff(audio, 2)).max()
    )


@pytest.mark.parametrize(
    ("name", "audio"),
    [
        ("decays", tone(220.0, decay_db_per_s=8.0)),
        ("died away", tone(220.0, decay_db_per_s=60.0)),
        ("noise", np.random.default_rng(0).normal(scale=0.1, size=LENGTH).astype("f4")),
        ("silence", np.zeros(LENGTH, np.float32)),
        ("constant", np.full(LENGTH, 0.01, np.float32)),
        ("glides", np.sin(600 * SECONDS * (1 + 0.5 * SECONDS)).astype("f4")),
    ],
)
def test_what_does_not_repeat_has_no_loop(name, audio):
    assert loops.find(audio, 57, 4800, 46_000) is None


def test_a_short_note_has_no_loop():
    audio = tone(220.0)
    assert loops.find(audio, 57, 4800, 4800 + loops.SHORTEST - 1) is None
    assert loops.find(audio[:5000], 57, 4800, 46_000) is None
    assert loops.find(audio[:1], 57, 0, 1) is None


def test_noise_above_the_harmonics_is_no_reason_against_a_loop():
    assert loops.find(tone(220.0, noise=0.05), 57, 4800, 46_000) is not None
