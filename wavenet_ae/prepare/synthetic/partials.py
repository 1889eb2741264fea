"""A note as a sum of partials, each with a frequency and a level that change over time."""

import librosa
import numpy as np
import soxr
from numpy.typing import NDArray

from wavenet_ae.data import nsynth
from wavenet_ae.prepare.synthetic.instruments import SyntheticInstrument

_RATE_HZ = nsynth.SAMPLE_RATE_HZ
_MOST_PARTIALS = 160
_HIGHEST_HZ = 7600.0
# Levels are drawn at this rate and interpolated; an attack of a millisecond needs 1000 Hz.
_FRAME_HZ = 1000
_MOST_DETUNE_CENTS = 4.0
_OVERSAMPLING = 4  # of what an overdriven amplifier does, which would alias
_LEVELS_DB = (-24.0, -2.0)  # of a note's peak at full velocity

_SECONDS = (np.arange(nsynth.NOTE_SAMPLES) / _RATE_HZ).astype(np.float32)
_FRAMES = np.arange(nsynth.NOTE_SECONDS * _FRAME_HZ) / _FRAME_HZ


def synthesize(
    instrument: SyntheticInstrument, pitch: int, velocity: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Synthesizes a note, held for 3 s and released.

    Args:
        instrument: how it sounds.
        pitch: MIDI; the note lies within 4 cents of it, on average over vibrato and voices.
        velocity: 1 to 127; softer notes are also darker.
        rng: of phases, noise, level and detuning.

    Returns:
        `[nsynth.NOTE_SAMPLES]`, within full scale.
    """
    hz = float(librosa.midi_to_hz(pitch))
    hz *= 2 ** (rng.uniform(-_MOST_DETUNE_CENTS, _MOST_DETUNE_CENTS) / 1200)
    softness = 1 - velocity / nsynth.MOST_VELOCITY
    sound = np.zeros(nsynth.NOTE_SAMPLES, np.float32)
    for voice in range(instrument.voices):
        place = voice / max(1, instrument.voices - 1) - 0.5 if instrument.voices > 1 else 0.0
        detuned = hz * 2 ** (place * instrument.spread_cents / 1200)
        if instrument.fm_ratio:
            sound += _modulated(instrument, detuned, rng)
        else:
            sound += _summed(instrument, detuned, softness, rng)
    sound /= np.abs(sound).max()
    sound += _noise(instrument, rng)
    if instrument.drive:
        sound = _overdriven(sound, instrument.drive)
    peak_db = rng.uniform(*_LEVELS_DB) - 24 * softness
    return (sound * 10 ** (peak_db / 20) / np.abs(sound).max()).astype(np.float32)


def _summed(
    instrument: SyntheticInstrument, hz: float, softness: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    ratios = _ratios(instrument, hz)
    levels = _levels(instrument, ratios, hz, softness)[:, None] * _envelopes(instrument, ratios, hz)
    phase = _phase(instrument, hz, rng)
    sound = np.zeros(nsynth.NOTE_SAMPLES, np.float32)
    for ratio, level in zip(ratios, levels, strict=True):
        start = rng.uniform(0, 2 * np.pi)
        wave = np.sin((ratio * phase + start).astype(np.float32))
        sound += wave * np.interp(_SECONDS, _FRAMES, level).astype(np.float32)
    return sound


def _modulated(
    instrument: SyntheticInstrument, hz: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Frequency modulation (Chowning 1973), its index held where the sidebands would alias."""
    most = (_HIGHEST_HZ / hz - 1) / instrument.fm_ratio - 1
    index = np.clip(instrument.fm_index, 0, max(0.0, most))
    falling = index * (0.3 + 0.7 * np.exp(-_FRAMES / instrument.filter_s))
    phase = _phase(instrument, hz, rng)
    modulator = np.sin(np.remainder(instrument.fm_ratio * phase, 2 * np.pi))
    wave = np.sin(phase + np.interp(_SECONDS, _FRAMES, falling) * modulator)
    level = _envelopes(instrument, np.ones(1), hz)[0]
    return (wave * np.interp(_SECONDS, _FRAMES, level)).astype(np.float32)


def _ratios(instrument: SyntheticInstrument, hz: float) -> NDArray[np.float64]:
    if instrument.modes:
        ratios = np.array(instrument.modes)
    else:
        k = np.arange(1, _MOST_PARTIALS + 1)
        ratios = k * np.sqrt((1 + instrument.stretch * k**2) / (1 + instrument.stretch))
    return ratios[(ratios * hz < _HIGHEST_HZ) | (ratios == 1)]


def _levels(
    instrument: SyntheticInstrument, ratios: NDArray[np.float64], hz: float, softness: float
) -> NDArray[np.float64]:
    slope = instrument.slope_db - 6 * softness
    levels_db = slope * np.log2(ratios) + np.resize(instrument.deviations_db, len(ratios))
    if not instrument.modes:
        levels_db[1::2] += instrument.even_db
    for formant_hz, level_db, octaves in instrument.formants:
        distance = np.log2(ratios * hz / formant_hz) / octaves
        levels_db += level_db * np.exp(-0.5 * distance**2)
    return 10 ** (levels_db / 20)


def _envelopes(
    instrument: SyntheticInstrument, ratios: NDArray[np.float64], hz: float
) -> NDArray[np.float64]:
    """Returns the course of each partial, `[partials, frames]`."""
    decay_s = instrument.decay_s * (261.6 / hz) ** 0.4 / ratios**instrument.damping
    decaying = np.exp(-_FRAMES / decay_s[:, None])
    level = instrument.sustain + (1 - instrument.sustain) * decaying
    first, rest = instrument.cutoffs
    cutoff = rest * (first / rest) ** np.exp(-_FRAMES / instrument.filter_s)
    filtered = 1 / np.sqrt(1 + (ratios[:, None] / np.maximum(cutoff, 1.0)) ** 4)
    attack = np.clip(_FRAMES / instrument.attack_s, 0, 1)
    release = np.exp(-np.maximum(0, _FRAMES - nsynth.HELD_SECONDS) / instrument.release_s)
    tremolo = 1 - instrument.tremolo * 0.5 * (
        1 + np.sin(2 * np.pi * instrument.vibrato_hz * _FRAMES)
    )
    return level * filtered * attack * release * tremolo


def _phase(
    instrument: SyntheticInstrument, hz: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Returns the phase of the fundamental, with the vibrato, `[samples]`."""
    depth = 2 ** (instrument.vibrato_cents / 1200) - 1
    swing = 2 * np.pi * instrument.vibrato_hz
    start = rng.uniform(0, 2 * np.pi)
    seconds = _SECONDS.astype(np.float64)
    return 2 * np.pi * hz * (seconds - depth / swing * np.cos(swing * seconds + start))


def _noise(instrument: SyntheticInstrument, rng: np.random.Generator) -> NDArray[np.float32]:
    noise = rng.normal(0, 10 ** (instrument.noise_db / 20), nsynth.NOTE_SAMPLES)
    noise *= np.exp(-_SECONDS / instrument.noise_s)
    return (noise * np.clip((nsynth.HELD_SECONDS + 0.1 - _SECONDS) / 0.1, 0, 1)).astype(np.float32)


def _overdriven(sound: NDArray[np.float32], drive: float) -> NDArray[np.float32]:
    faster = soxr.resample(sound, _RATE_HZ, _OVERSAMPLING * _RATE_HZ, "MQ")
    slower = soxr.resample(np.tanh((1 + drive) * faster), _OVERSAMPLING * _RATE_HZ, _RATE_HZ, "MQ")
    return slower[: nsynth.NOTE_SAMPLES]
