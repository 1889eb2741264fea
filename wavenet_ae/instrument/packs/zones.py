"""What every format holds: the notes of one sound, spread over the keyboard."""

import math
from typing import NamedTuple

import numpy as np

from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.instrument.rendered import RenderedNote

_QUIETEST_DB = -100.0  # of a note whose gain is 0

_BLOCK_SAMPLES = 160  # 10 ms, two periods of the lowest notes' first overtones
# A decay is followed down to where mu-law's noise begins, and extended to 60 dB.
_FOLLOWED_DB = 30.0
_RELEASED_DB = 60.0
# Shorter ones click; the longest that a tail of one second can show.
_RELEASE_BOUNDS_S = (0.05, 4.0)


class Zone(NamedTuple):
    """A note and the keys that it serves.

    Attributes:
        note: with its loop, gain and tuning.
        file: the WAV file, in the packs' folder, with forward slashes.
        keys: the first and the last, MIDI.
        release_s: in which the note falls by 60 dB after its key.
    """

    note: RenderedNote
    file: str
    keys: tuple[int, int]
    release_s: float

    @property
    def gain_db(self) -> float:
        """The gain of the note, 0 or less."""
        gain = self.note.gain
        return max(20 * math.log10(gain), _QUIETEST_DB) if gain > 0 else _QUIETEST_DB

    @property
    def tune_cents(self) -> int:
        """How far to tune the note so that it has its pitch.

        0 where the pitch is unknown or beyond half a semitone: then it may have been mistaken.
        """
        return -self.note.cents if self.note.is_in_tune else 0


class Patch(NamedTuple):
    """A sound on the keyboard.

    Attributes:
        name: to show.
        stem: of its files, see `names.file_names`.
        zones: by pitch.
    """

    name: str
    stem: str
    zones: tuple[Zone, ...]


def release_seconds(samples: np.ndarray, release: int) -> float:
    """Returns in which time a note falls by 60 dB, as its own release does at first.

    Players that loop until the note is silent get the release's speed by this number.

    Args:
        samples: of the note, `[samples]`.
        release: where its release starts.
    """
    tail = np.asarray(samples[release:], np.float64)
    num_blocks = len(tail) // _BLOCK_SAMPLES
    if not num_blocks:
        return _RELEASE_BOUNDS_S[0]
    blocks = tail[: num_blocks * _BLOCK_SAMPLES].reshape(num_blocks, _BLOCK_SAMPLES)
    levels = np.sqrt(np.mean(blocks**2, axis=1))
    sounds = np.flatnonzero(levels > levels[0] * 10 ** (-_FOLLOWED_DB / 20))
    fallen_s = (sounds[-1] + 1 if len(sounds) else 0) * _BLOCK_SAMPLES / SAMPLE_RATE_HZ
    return float(np.clip(fallen_s * _RELEASED_DB / _FOLLOWED_DB, *_RELEASE_BOUNDS_S))
