"""Instruments drawn at random, each a way to give partials their pitch, level and course.

They stand beside sampled instruments as NSynth's synthetic ones do (Engel et al. 2017,
appendix A), and give a classifier more kinds of sound for each pitch than SoundFonts hold.
"""

from dataclasses import dataclass

import numpy as np

from wavenet_ae.data import nsynth

# The modes of a free bar (Euler and Bernoulli), of bars whose underside is tuned (marimba,
# xylophone: double octave, twelfth), of kettledrums with air below (Rossing 1982), and of clamped
# tines; all as ratios to the mode that gives the pitch.
_MODES = (
    (1.0, 2.757, 5.404, 8.933, 13.34),
    (1.0, 3.93, 9.2, 16.0),
    (1.0, 3.0, 6.0, 10.0),
    (1.0, 1.5, 1.98, 2.44, 2.94, 3.41),
    (1.0, 6.267, 17.55),
)


@dataclass(frozen=True)
class SyntheticInstrument:
    """How an instrument sounds at every pitch; levels in dB, times in seconds.

    Attributes:
        name: as NSynth names instruments.
        family: one of `nsynth.FAMILIES`.
        pitches: MIDI, what it plays.
        modes: ratios of its partials; empty for those of a string or a pipe.
        stretch: the inharmonicity B of a stiff string: partial k lies at k sqrt(1 + B k^2).
        slope_db: level per octave.
        even_db: of the even partials, on top of the slope.
        deviations_db: of the single partials, repeated if there are more.
        formants: (frequency in Hz, level in dB, width in octaves) of resonances.
        attack_s: until the level is reached.
        decay_s: until the level has fallen to 1/e at middle C; lower notes last longer.
        damping: how much faster high partials decay: the power of their ratio.
        sustain: the share of the level that does not decay.
        release_s: to 1/e when the key is lifted.
        cutoffs: of a low-pass filter, in partials: at the attack, and where it comes to rest.
        filter_s: how long it takes there.
        fm_ratio: the frequency of a modulator over the pitch's; 0: none.
        fm_index: the modulation's peak, in radians.
        voices: how many play together.
        spread_cents: how far these are apart.
        vibrato_hz: its rate.
        vibrato_cents: its depth.
        tremolo: its depth, a share of the level.
        noise_db: breath or hammer, against the sound.
        noise_s: until the noise has fallen to 1/e; long for breath.
        drive: how far an amplifier is overdriven; 0: not.
    """

    name: str
    family: str
    pitches: range
    modes: tuple[float, ...]
    stretch: float
    slope_db: float
    even_db: float
    deviations_db: tuple[float, ...]
    formants: tuple[tuple[float, float, float], ...]
    attack_s: float
    decay_s: float
    damping: float
    sustain: float
    release_s: float
    cutoffs: tuple[float, float]
    filter_s: float
    fm_ratio: int
    fm_index: float
    voices: int
    spread_cents: float
    vibrato_hz: float
    vibrato_cents: float
    tremolo: float
    noise_db: float
    noise_s: float
    drive: float


# By family: what differs from `_draw`'s common ranges. Uniform between two bounds; times and
# cutoffs uniform in their logarithms.
_STRUCK = {"attack_s": (0.001, 0.008), "sustain": (0.0, 0.0), "vibrato_cents": (0.0, 0.0)}
_HELD = {"sustain": (0.5, 1.0), "attack_s": (0.005, 0.2), "damping": (0.0, 0.3)}
_FAMILIES = {
    "bass": _STRUCK | {"pitches": (21, 64), "decay_s": (0.4, 4.0), "slope_db": (-14.0, -4.0)},
    "brass": _HELD | {"cutoffs": (2.0, 24.0), "slope_db": (-8.0, -2.0), "attack_s": (0.02, 0.12)},
    "flute": _HELD | {"slope_db": (-20.0, -8.0), "noise_db": (-40.0, -12.0), "noise_s": (2.0, 9.0)},
    "guitar": _STRUCK | {"decay_s": (0.3, 2.5), "stretch": (1e-5, 3e-4), "drive": (-6.0, 6.0)},
    "keyboard": _STRUCK | {"decay_s": (0.4, 3.0), "stretch": (1e-5, 1e-3)},
    "mallet": _STRUCK | {"decay_s": (0.1, 2.0), "slope_db": (-12.0, 4.0), "damping": (0.3, 1.5)},
    "organ": _HELD | {"sustain": (0.9, 1.0), "slope_db": (-9.0, 0.0), "attack_s": (0.002, 0.05)},
    "reed": _HELD | {"even_db": (-30.0, 0.0), "slope_db": (-12.0, -2.0)},
    "string": _HELD | {"slope_db": (-10.0, -3.0), "attack_s": (0.02, 0.4), "voices": (1.0, 4.0)},
    "synth_lead": _HELD | {"cutoffs": (3.0, 80.0), "voices": (1.0, 3.5), "drive": (-8.0, 6.0)},
}
_LOGARITHMIC = {"attack_s", "decay_s", "noise_s", "release_s", "filter_s", "stretch"}


def draw(seed: int, count: int) -> list[SyntheticInstrument]:
    """Draws instruments; the first ones of a longer list are those of a shorter one."""
    families = sorted(_FAMILIES)
    return [
        _draw(np.random.default_rng((seed, index)), families[index % len(families)], index)
        for index in range(count)
    ]


def _draw(rng: np.random.Generator, family: str, index: int) -> SyntheticInstrument:
    ranges = {
        "pitches": (21, 108),
        "stretch": (1e-7, 1e-5),
        "slope_db": (-14.0, 0.0),
        "even_db": (-6.0, 3.0),
        "attack_s": (0.003, 0.05),
        "decay_s": (0.5, 6.0),
        "damping": (0.1, 0.8),
        "sustain": (0.0, 0.6),
        "release_s": (0.02, 0.4),
        "cutoffs": (4.0, 60.0),
        "filter_s": (0.03, 1.5),
        "voices": (1.0, 1.5),
        "vibrato_cents": (-20.0, 20.0),
        "noise_db": (-70.0, -25.0),
        "noise_s": (0.01, 0.2),
        "drive": (0.0, 0.0),
    } | _FAMILIES[family]
    first, last = ranges.pop("pitches")
    lowest, highest = np.log(ranges.pop("cutoffs"))
    values = {
        name: float(np.exp(rng.uniform(*np.log(bounds))) if name in _LOGARITHMIC else
                    rng.uniform(*bounds))
        for name, bounds in ranges.items()
    }  # fmt: skip
    spread = rng.uniform(0, 8)
    modes: tuple[float, ...] = ()
    if family == "mallet":
        of = np.array(_MODES[rng.integers(len(_MODES))])
        modes = (1.0, *(of[1:] * rng.uniform(0.97, 1.03, len(of) - 1)))
    return SyntheticInstrument(
        name=nsynth.instrument_name(family, "synthetic", index // len(_FAMILIES)),
        family=family,
        pitches=range(first, last + 1),
        modes=tuple(map(float, modes)),
        deviations_db=tuple(rng.normal(0, rng.uniform(1, 8), 64).tolist()),
        formants=tuple(
            (float(200 * 2 ** rng.uniform(0, 4)), rng.uniform(-6, 14), rng.uniform(0.2, 0.8))
            for _ in range(rng.integers(4))
        ),
        cutoffs=tuple(np.exp(rng.uniform(lowest, highest, 2)).tolist()),
        # A modulator at a multiple of the pitch keeps it.
        fm_ratio=int(rng.integers(1, 6)) if not modes and rng.random() < 0.25 else 0,
        fm_index=rng.uniform(0.3, 4.0),
        voices=int(values.pop("voices")),
        spread_cents=spread,
        vibrato_hz=rng.uniform(4, 7),
        vibrato_cents=max(0.0, values.pop("vibrato_cents")),
        tremolo=max(0.0, rng.uniform(-0.4, 0.4)),
        drive=max(0.0, values.pop("drive")),
        **values,
    )
