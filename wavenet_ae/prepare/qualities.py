"""NSynth's ten qualities of a note, measured from its sound where they can be.

NSynth's own labels were derived by its authors and are not reproducible; these follow the words of
their definitions (Engel et al. 2017, table of note qualities), each with a threshold of its own.
Levels are mean powers in dB. `f0` is the nominal frequency of the MIDI pitch, so an instrument that
sounds an octave higher than it is written counts as brighter.

    bright         In the spectrum of the note's body (the second that starts 50 ms in), the part
                   from 3.5 f0 on, that is from the fourth harmonic, holds -8 dB of the power or
                   more (an ideal sawtooth: -7.6 dB), and the part from 2 kHz on -15 dB or more.
    dark           In the same spectrum both parts are weak: -15 dB or less from 3.5 f0 on and
                   -40 dB or less from 2 kHz on.
    distortion     Set by the program: it imitates an overdriven amplifier.
    fast_decay     No 50 ms frame between 2 s and 3 s comes within 30 dB of the loudest frame.
    long_release   Half a second after the key's release the note is less than 20 dB weaker than
                   in the 200 ms before it, where it was within 40 dB of its loudest frame.
    multiphonic    Set by the program: its sound has two fundamentals (a lead in fifths).
    nonlinear_env  While the key is held and the first 200 ms are over, the level (100 ms frames,
                   those within 20 dB of the loudest) rises 6 dB or more above an earlier one: a
                   swell, a tremolo, a beating; not a decay and not a steady tone.
    percussive     The attack takes 30 ms or less (from the first sample above a thousandth of the
                   peak to 70% of it); its first 50 ms have a loud noisy part: from 2 kHz on, -30 dB
                   of their power or more, which has fallen by 12 dB or more 200 ms later.
    reverb         Always 0: the fonts are rendered dry. (A room that was recorded into a font's
                   samples is not detected.)
    tempo-synced   Always 0: a General MIDI program follows no tempo.
"""

import numpy as np
from numpy.typing import NDArray

from wavenet_ae.data import nsynth

_RATE_HZ = nsynth.SAMPLE_RATE_HZ
_FLOOR = 1e-12  # -120 dB: under the last bit of 16, so that silence has a level

_BODY_START = _RATE_HZ // 20
_BODY_SAMPLES = _RATE_HZ
_BODY_WINDOW = np.hanning(_BODY_SAMPLES)
_ONSET_SAMPLES = _RATE_HZ // 20
_ONSET_WINDOW = np.hanning(_ONSET_SAMPLES)
_HIGH_HZ = 2000.0


def measure_qualities(
    samples: NDArray[np.floating], pitch: int, *, distortion: bool, multiphonic: bool
) -> list[int]:
    """Returns the qualities of one note as 0 or 1, in the order of `nsynth.QUALITIES`.

    Args:
        samples: [nsynth.NOTE_SAMPLES], full scale 1.
        pitch: MIDI number.
        distortion: whether the program is a distorted one.
        multiphonic: whether the program has more than one fundamental.
    """
    flags = {
        "distortion": distortion,
        "multiphonic": multiphonic,
        "percussive": _is_percussive(samples),
        **_spectral_qualities(samples, pitch),
        **_envelope_qualities(samples),
    }
    return [int(flags.get(name, False)) for name in nsynth.QUALITIES]


def _spectral_qualities(samples: NDArray[np.floating], pitch: int) -> dict[str, bool]:
    body = samples[_BODY_START : _BODY_START + _BODY_SAMPLES]
    power = np.abs(np.fft.rfft(body * _BODY_WINDOW)) ** 2
    f0_hz = 440.0 * 2.0 ** ((pitch - 69) / 12)
    upper_db = _share_db(power, 3.5 * f0_hz)
    high_db = _share_db(power, _HIGH_HZ)
    return {
        "bright": upper_db >= -8 and high_db >= -15,
        "dark": upper_db <= -15 and high_db <= -40,
    }


def _envelope_qualities(samples: NDArray[np.floating]) -> dict[str, bool]:
    level_db = _frame_levels_db(samples, seconds=0.05)  # 20 frames a second
    loudest_db = level_db.max()
    release = 20 * nsynth.HELD_SECONDS
    at_release_db = level_db[release - 4 : release].max()
    after_release_db = level_db[release + 10]

    slow_db = _frame_levels_db(samples[: nsynth.HELD_SAMPLES], seconds=0.1)
    slow_db = slow_db[2:][slow_db[2:] >= slow_db.max() - 20]
    rises_db = slow_db - np.minimum.accumulate(slow_db)
    return {
        "fast_decay": level_db[40:release].max() <= loudest_db - 30,
        "long_release": at_release_db >= loudest_db - 40 and after_release_db > at_release_db - 20,
        "nonlinear_env": bool(np.any(rises_db >= 6)),
    }


def _is_percussive(samples: NDArray[np.floating]) -> bool:
    size = np.abs(samples[: nsynth.HELD_SAMPLES])
    start = int(np.argmax(size > 1e-3 * size.max()))
    attack_samples = int(np.argmax(size >= 0.7 * size.max())) - start
    # A key that sounds only at its release has no onset to measure.
    if attack_samples > 0.03 * _RATE_HZ or start + _RATE_HZ // 2 > size.size:
        return False

    onset, later = (
        np.abs(np.fft.rfft(samples[first : first + _ONSET_SAMPLES] * _ONSET_WINDOW)) ** 2
        for first in (start, start + _RATE_HZ // 5)
    )
    first_bin = round(_HIGH_HZ * _ONSET_SAMPLES / _RATE_HZ)
    fall_db = _db(onset[first_bin:].sum()) - _db(later[first_bin:].sum())
    return bool(_share_db(onset, _HIGH_HZ) >= -30 and fall_db >= 12)


def _share_db(power: NDArray[np.floating], from_hz: float) -> float:
    """The part of a power spectrum (bins from 0 to half the rate) at or above a frequency."""
    bins_per_hz = (power.size - 1) / (_RATE_HZ / 2)
    first_bin = int(np.ceil(from_hz * bins_per_hz))
    return _db(power[first_bin:].sum() / max(power.sum(), _FLOOR))


def _frame_levels_db(samples: NDArray[np.floating], seconds: float) -> NDArray[np.floating]:
    frames = samples.reshape(-1, round(seconds * _RATE_HZ))
    return 10 * np.log10(np.mean(np.square(frames), axis=1) + _FLOOR)


def _db(power: float) -> float:
    return float(10 * np.log10(power + _FLOOR))
