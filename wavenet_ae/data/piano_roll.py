"""Notes as a piano roll, which the MIDI-conditioned WaveNet is conditioned on.

Hawthorne et al., "Enabling Factorized Piano Music Modeling and Generation with the MAESTRO
Dataset" (ICLR 2019), the section on piano synthesis.
"""

from collections.abc import Iterable

import numpy as np

from wavenet_ae.audio import files, midi

LOWEST_PITCH, NUM_KEYS = 21, 88  # MIDI pitches 21 to 108: a piano's keys
KEYS = range(LOWEST_PITCH, LOWEST_PITCH + NUM_KEYS)
HOP_LENGTH = 64  # samples of a frame: 250 Hz
KINDS = ("held", "onsets")

_LOUDEST = 127


def notes_of(notes: Iterable[midi.Note]) -> np.ndarray:
    """Returns notes as `draw` takes them.

    Args:
        notes: such as `midi.read_notes` returns; `midi.on_one_keyboard` joins those of several
            channels. What a piano has no key for is left out.

    Returns:
        int32 `[notes, 4]` in the order of their beginnings: first sample at 16 kHz, the one after
        the last, MIDI pitch, velocity. A note has at least one sample.
    """
    rows = []
    for note in midi.on_one_keyboard(notes):
        start, end = (round(seconds * files.SAMPLE_RATE_HZ) for seconds in note[:2])
        if note.pitch in KEYS:
            rows.append((start, max(start + 1, end), note.pitch, note.velocity))
    return np.array(rows, np.int32).reshape(-1, 4)


def draw(notes: np.ndarray, first_sample: int, num_frames: int, kind: str) -> np.ndarray:
    """Draws a part of a piano roll.

    Args:
        notes: int `[notes, 4]`, from `notes_of`, in any order. There may be more than sound here.
        first_sample: where the first frame begins; it may be negative.
        num_frames: of `HOP_LENGTH` samples each.
        kind: "onsets" has a note's value in the frame that it begins in. "held" has it in all
            frames that it sounds in; the frame before a key is struck again is 0, so that it shows.
            Where notes of a key sound at once, the one that began last counts, and of those that
            began in one frame the loudest.

    Returns:
        float32 `[num_frames, NUM_KEYS]`, velocities divided by 127. What a frame holds does not
        depend on which frames are drawn around it.

    Raises:
        ValueError: there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"a piano roll is {' or '.join(KINDS)}, not {kind!r}")
    start, end, pitch, velocity = notes.astype(np.int64).T
    onset, stop, key = (
        (start - first_sample) // HOP_LENGTH,
        -((first_sample - end) // HOP_LENGTH),
        pitch - LOWEST_PITCH,
    )
    # One that begins just after the last frame shows in it: as a gap.
    near = (onset <= num_frames) & (stop > 0)
    order = np.lexsort((velocity, onset))
    order = order[near[order]]
    onset, stop, key, velocity = onset[order], stop[order], key[order], velocity[order]

    roll = np.zeros((num_frames, NUM_KEYS), np.float32)
    if kind == "held":
        for row in range(len(order)):
            roll[max(onset[row], 0) : stop[row], key[row]] = velocity[row]
        again = onset > 0
        roll[onset[again] - 1, key[again]] = 0
    struck = (onset >= 0) & (onset < num_frames)
    roll[onset[struck], key[struck]] = velocity[struck]  # of several, the last one stays
    return roll / np.float32(_LOUDEST)


def to_velocities(roll: np.ndarray) -> np.ndarray:
    """Returns a roll of `draw` as uint8 velocities, which take a quarter of the memory."""
    return np.rint(roll * _LOUDEST).astype(np.uint8)
