"""What the decoder made, as an instrument's note: cut, looped, near full scale, without clicks."""

from typing import NamedTuple

import numpy as np

from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.instrument import envelope, loops, tuning

# A part of what names the files: raise it when notes of the same sounds come out differently.
VERSION = 1

# The loudest sample of a file; what is louder already stays.
_PEAK = 0.99
# A weaker note is silence, and is not amplified to noise.
_SILENT_PEAK = 1e-3
_RISE = round(0.002 * SAMPLE_RATE_HZ)
# Also how long a note rings after its key, if it has no release of its own.
_FALL = round(0.05 * SAMPLE_RATE_HZ)
# A loop starts after the attack, and ends before the release softens the note.
_ATTACK = round(0.3 * SAMPLE_RATE_HZ)
_BEFORE_RELEASE = round(0.08 * SAMPLE_RATE_HZ)


class Finished(NamedTuple):
    """A note; all but `audio` are fields of `RenderedNote`.

    Attributes:
        audio: float32 `[samples]` at 16 kHz.
        gain: see `RenderedNote`, as all that follow.
        loop: first sample, and the one after the last, or None.
        release: a sample.
        cents: or None.
    """

    audio: np.ndarray
    gain: float
    loop: tuple[int, int] | None
    release: int
    cents: int | None


def finish(generated: np.ndarray, pitch: int, transposed: int = 0) -> Finished:
    """Returns a note that begins and ends without clicks and knows its loop, level and pitch.

    Args:
        generated: float32 `[samples]` at 16 kHz, by the decoder.
        pitch: MIDI, at which the note is to sound.
        transposed: semitones by which `generated` lies below that and is transposed up.
    """
    audio = tuning.transpose(generated, transposed)
    audio = audio[envelope.onset(audio) : envelope.end(audio)]
    release = envelope.release(audio)
    if release is None:
        release = max(0, len(audio) - _FALL)
    cents = tuning.cents(audio, pitch, release)
    loop = loops.find(audio, pitch, _ATTACK, release - _BEFORE_RELEASE)
    if loop is not None:
        audio = loops.bake(audio, loop)
    audio = envelope.fade(audio, _RISE, _FALL)
    peak = float(np.abs(audio).max())
    gain = min(1.0, peak / _PEAK) if peak > _SILENT_PEAK else 1.0
    return Finished(
        audio=audio / np.float32(gain),
        gain=gain,
        loop=None if loop is None else (loop.start, loop.end),
        release=release,
        cents=cents,
    )
