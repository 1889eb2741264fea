"""The past of a sound, whole periods of its pitch ago: what a decoder repeats, and how it changed.

After the pitch-dependent dilation of Wu et al. 2021 (Quasi-Periodic WaveNet, arXiv 2007.05663),
here as inputs of the first layer. A period of a low note is longer than most of a decoder's taps
reach, and they read whole numbers of samples ago, which a period seldom is.
"""

import functools

import jax
import jax.numpy as jnp
import librosa
import numpy as np

from wavenet_ae.audio import mu_law
from wavenet_ae.audio.files import SAMPLE_RATE_HZ

_LOWEST_PITCH = 21  # of NSynth and of a piano; lower ones are read as this one
_TAPS = 8  # of the filter between samples
# The shortest lag: the filter then reads nothing that is not there yet.
_SHORTEST_SAMPLES = 8


@functools.cache
def _filters(num_lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns by pitch how to read the past, whole numbers of periods ago and a sample ahead.

    Returns:
        int32 `[128, num_lags]`, how many samples before the newest one each filter's first tap
        lies, and float32 `[128, num_lags, 8]`, the filters: windowed sinc functions, later samples
        first.
    """
    pitch = np.maximum(np.arange(128), _LOWEST_PITCH)
    period = SAMPLE_RATE_HZ / librosa.midi_to_hz(pitch)
    shortest = np.ceil(_SHORTEST_SAMPLES / period) * period
    # The newest sample is already one before the sample to predict; and one ahead.
    delay = shortest[:, None] * np.arange(1, num_lags + 1) - 2
    first = np.floor(delay).astype(np.int32) - (_TAPS // 2 - 1)
    places = np.arange(_TAPS) - (delay - first)[..., None]
    half = _TAPS / 2
    filters = np.sinc(places) * np.cos(np.pi / 2 * np.clip(places / half, -1, 1)) ** 2
    filters /= filters.sum(axis=-1, keepdims=True)
    return first, filters.astype(np.float32)


def longest(num_lags: int) -> int:
    """Returns how many samples the longest lag of the lowest pitch reaches over."""
    return int(_filters(num_lags)[0].max()) + _TAPS


def of_signal(signal: jax.Array, pitch: jax.Array, num_lags: int) -> jax.Array:
    """Returns signals whole numbers of periods ago.

    Args:
        signal: `[batch, time]`, on the mu-law scale, -1..1: a decoder's inputs, one sample late.
        pitch: int32 `[batch]`, MIDI.
        num_lags: of 1, 2, ... periods. Where a period has fewer than 8 samples, as many of them as
            have 8 are one.

    Returns:
        float32 `[num_lags, batch, time]`, on the mu-law scale. At the place t, whose sample is to
        be predicted, is what was t - lag + 1; 0 before the sound.
    """
    first, filters = (jnp.asarray(x)[pitch] for x in _filters(num_lags))
    before, time = longest(num_lags), signal.shape[1]
    padded = jnp.pad(mu_law.expand(signal), ((0, 0), (before, 0)))

    def filtered(row: jax.Array, first: jax.Array, taps: jax.Array) -> jax.Array:
        window = jax.lax.dynamic_slice_in_dim(row, before - first - _TAPS + 1, time + _TAPS - 1)
        return sum(tap * window[_TAPS - 1 - i :][:time] for i, tap in enumerate(taps))

    each_lag = jax.vmap(filtered, (None, 0, 0))
    return mu_law.compress(jax.vmap(each_lag, out_axes=1)(padded, first, filters))


def initial_history(batch_size: int, num_lags: int) -> jax.Array:
    """Returns the history before the first sample, `[samples, 1, batch]`: zeros."""
    return jnp.zeros((longest(num_lags), 1, batch_size))


def step(
    history: jax.Array, newest: jax.Array, pitch: jax.Array, time: jax.Array, num_lags: int
) -> tuple[jax.Array, jax.Array]:
    """Returns what `of_signal` does, one sample at a time.

    Args:
        history: from `initial_history` or the step before: a ring buffer.
        newest: `[batch]`, the decoder's input.
        pitch: int32 `[batch]`.
        time: scalar int32, the sample's index.
        num_lags: see `of_signal`.

    Returns:
        The new history and `[num_lags, batch, 1]`.
    """
    rows = len(history)
    history = jax.lax.dynamic_update_slice_in_dim(
        history, mu_law.expand(newest)[None, None], time % rows, axis=0
    )
    # The batch stays the last axis, by which devices may share it.
    first, filters = (jnp.moveaxis(jnp.asarray(x)[pitch], 0, -1) for x in _filters(num_lags))
    places = (time - first[:, None] - jnp.arange(_TAPS)[:, None]) % rows
    past = jnp.take_along_axis(history, places.reshape(-1, 1, len(pitch)), axis=0)
    past = past.reshape(filters.shape)
    return history, mu_law.compress((past * filters).sum(axis=1))[..., None]
