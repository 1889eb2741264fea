import numpy as np
import pytest

from wavenet_ae.audio.midi import Note
from wavenet_ae.data import piano_roll
from wavenet_ae.data.piano_roll import HOP_LENGTH, NUM_KEYS, draw, notes_of


def slowly(notes, first_sample, num_frames, kind):
    """The rules of `draw`, read frame by frame and key by key."""
    roll = np.zeros((num_frames, NUM_KEYS))
    for frame in range(num_frames):
        begin = first_sample + frame * HOP_LENGTH
        end = begin + HOP_LENGTH
        for key in range(NUM_KEYS):
            own = [note for note in notes.tolist() if note[2] == 21 + key]
            begins = [note for note in own if begin <= note[0] < end]
            if begins:
                roll[frame, key] = max(note[3] for note in begins)
            elif kind == "held" and not any(end <= note[0] < end + HOP_LENGTH for note in own):
                sounding = [note for note in own if note[0] < end and note[1] > begin]
                frames = [((note[0] - first_sample) // HOP_LENGTH, note[3]) for note in sounding]
                roll[frame, key] = max(frames, default=(0, 0))[1]
    return roll / 127


def random_notes(seed, count=60, samples=8_000, keys=(21, 60, 108)):
    rng = np.random.default_rng(seed)
    start = rng.integers(-2_000, samples, count)
    return np.stack(
        [start, start + rng.geometric(1 / 300, count), rng.choice(keys, count),
         rng.integers(1, 128, count)], axis=1
    ).astype(np.int32)  # fmt: skip


@pytest.mark.parametrize("kind", piano_roll.KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_it_is_what_a_slow_loop_draws(kind, seed):
    notes = random_notes(seed)
    first = int(np.random.default_rng(seed).integers(-500, 2_000))
    roll = draw(notes, first, 60, kind)
    assert (roll.dtype, roll.shape) == (np.float32, (60, 88))
    np.testing.assert_allclose(roll, slowly(notes, first, 60, kind), rtol=1e-6)
    assert (roll > 0).sum() > 10


@pytest.mark.parametrize("kind", piano_roll.KINDS)
def test_a_part_is_as_in_the_whole(kind):
    notes = random_notes(7)
    whole = draw(notes, -333, 120, kind)
    for first, count in ((0, 10), (37, 1), (50, 70)):
        part = draw(notes, -333 + first * HOP_LENGTH, count, kind)
        np.testing.assert_array_equal(part, whole[first : first + count])


@pytest.mark.parametrize(
    ("start", "end", "frames"),
    [(0, 64, [0]), (63, 64, [0]), (63, 65, [0, 1]), (64, 192, [1, 2]), (-10, 1, [0])],
)
def test_a_note_is_held_in_every_frame_that_it_sounds_in(start, end, frames):
    notes = np.array([[start, end, 69, 127]])
    assert np.flatnonzero(draw(notes, 0, 5, "held")[:, 69 - 21]).tolist() == frames
    struck = [frames[0]] if start >= 0 else []
    assert np.flatnonzero(draw(notes, 0, 5, "onsets")[:, 69 - 21]).tolist() == struck


def test_a_key_that_is_struck_again_shows():
    notes = notes_of([Note(0.0, 0.020, 60, 127), Note(0.020, 0.032, 60, 64)])
    held = draw(notes, 0, 9, "held")[:, 39] * 127
    assert held.tolist() == pytest.approx([127, 127, 127, 127, 0, 64, 64, 64, 0])
    # The last frame that is drawn has the gap, too.
    assert draw(notes, 0, 5, "held")[4, 39] == 0
    # In the very next frame there is no room for a gap: the first note keeps its onset.
    notes = notes_of([Note(0.004, 0.008, 60, 127), Note(0.008, 0.016, 60, 64)])
    assert (draw(notes, 0, 5, "held")[:, 39] * 127).tolist() == pytest.approx([0, 127, 64, 64, 0])


def test_notes_are_in_samples_and_within_the_keys():
    notes = [Note(1.0, 1.00001, 108, 5), Note(0.5, 1.5, 21, 100), Note(0, 1, 20, 9),
             Note(0, 1, 109, 9)]  # fmt: skip
    expected = [[8_000, 24_000, 21, 100], [16_000, 16_001, 108, 5]]
    assert notes_of(notes).tolist() == expected
    assert notes_of([]).shape == (0, 4)
    assert not draw(notes_of([]), 0, 3, "held").any()


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="is held or onsets, not 'hold'"):
        draw(notes_of([]), 0, 1, "hold")
