"""Spectra of notes, and the way back to sound: for the spectral baseline.

Source: Engel et al. 2017, section 2.2, and the authors' code, which calls librosa. Everything here
is compiled, works on a batch, and treats each of its notes independently.

Spectra are `[batch, bins, frames]`, low frequencies and early frames first; features carry a
further axis of channels. Bins are 15.625 Hz apart and frames 16 ms at 16 kHz.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

WINDOW_SAMPLES = 1024
HOP_SAMPLES = 256
NUM_BINS = WINDOW_SAMPLES // 2 + 1
DYNAMIC_RANGE_DB = 120.0

_POWER_FLOOR = 1e-13
_HOPS = WINDOW_SAMPLES // HOP_SAMPLES
_MARGIN_SAMPLES = WINDOW_SAMPLES // 2
# A periodic Hann window.
_WINDOW = np.float32(np.sin(np.pi * np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES) ** 2)
# Keeps 0 / |0| at 0; squares of what float32 audio can hold are far above it.
_TINY_POWER = 1e-30


def num_frames(num_samples: int) -> int:
    """Returns how many frames a sound has: 251 for NSynth's 64,000 samples."""
    return 1 + num_samples // HOP_SAMPLES


# -- Sound and spectrum


@jax.jit
def stft(audio: jax.Array) -> jax.Array:
    """Analyses sound; frame t is centred on sample 256 t, with zeros around the sound.

    Args:
        audio: float [batch, samples].

    Returns:
        complex64 [batch, 513, 1 + samples // 256].

    Raises:
        ValueError: `audio` is not [batch, samples].
    """
    if audio.ndim != 2:
        raise ValueError(f"expected audio [batch, samples], got {list(audio.shape)}")
    audio = audio.astype(jnp.float32)
    # Zeros up to the end of the last frame make the length a multiple of the hop.
    end = -audio.shape[1] % HOP_SAMPLES or HOP_SAMPLES
    end += _MARGIN_SAMPLES - HOP_SAMPLES
    padded = jnp.pad(audio, ((0, 0), (_MARGIN_SAMPLES, end)))
    hops = padded.reshape(len(audio), -1, HOP_SAMPLES)
    return _analyse(hops).swapaxes(1, 2)


@functools.partial(jax.jit, static_argnames="num_samples")
def istft(spectrum: jax.Array, num_samples: int | None = None) -> jax.Array:
    """Returns the sound whose frames come closest to a spectrum's; the inverse of `stft`.

    Args:
        spectrum: complex64 [batch, 513, frames].
        num_samples: the sound's length; by default the shortest with that many frames.

    Returns:
        float32 [batch, num_samples].

    Raises:
        ValueError: `spectrum` has another shape, or a sound of `num_samples` another number of
            frames.
    """
    _check_bins(spectrum, 3)
    gain, num_samples = _overlap_gain(spectrum.shape[2], num_samples)
    hops = _overlap_add(spectrum.swapaxes(1, 2)) * gain
    return _crop(hops, num_samples)


def _analyse(hops: jax.Array) -> jax.Array:
    """Returns the spectrum [batch, frames, bins] of sound cut in [batch, frames + 3, hop]."""
    frames = hops.shape[1] - _HOPS + 1
    cut = jnp.stack([hops[:, i : i + frames] for i in range(_HOPS)], axis=2)
    cut = cut * _WINDOW.reshape(_HOPS, HOP_SAMPLES)
    return jnp.fft.rfft(cut.reshape(*cut.shape[:2], WINDOW_SAMPLES))


def _overlap_add(spectrum: jax.Array) -> jax.Array:
    """Returns the windowed frames' sum, [batch, frames + 3, hop], of [batch, frames, bins]."""
    cut = jnp.fft.irfft(spectrum, WINDOW_SAMPLES) * _WINDOW
    cut = cut.reshape(*cut.shape[:2], _HOPS, HOP_SAMPLES)
    shifted = [jnp.pad(cut[:, :, i], ((0, 0), (i, _HOPS - 1 - i), (0, 0))) for i in range(_HOPS)]
    return sum(shifted[1:], shifted[0])


def _overlap_gain(frames: int, num_samples: int | None) -> tuple[np.ndarray, int]:
    """Returns what the overlapped sum is multiplied by, [frames + 3, hop], and the sound's length.

    It undoes the windows (Griffin & Lim 1984, equation 6) and is 0 outside the sound.
    """
    if num_samples is None:
        num_samples = (frames - 1) * HOP_SAMPLES
    if num_frames(num_samples) != frames:
        raise ValueError(
            f"{num_samples} samples have {num_frames(num_samples)} frames, the spectrum {frames}"
        )
    squared = np.square(_WINDOW, dtype=np.float64).reshape(_HOPS, HOP_SAMPLES)
    total = np.zeros((frames + _HOPS - 1, HOP_SAMPLES))
    for i in range(_HOPS):
        total[i : i + frames] += squared[i]
    sample = np.arange(total.size).reshape(total.shape) - _MARGIN_SAMPLES
    inside = (sample >= 0) & (sample < num_samples)
    gain = np.divide(1, total, out=np.zeros_like(total), where=inside)
    return gain.astype(np.float32), num_samples


def _crop(hops: jax.Array, num_samples: int) -> jax.Array:
    flat = hops.reshape(len(hops), -1)
    return flat[:, _MARGIN_SAMPLES : _MARGIN_SAMPLES + num_samples]


def _check_bins(array: jax.Array, ndim: int, channels: int | None = None) -> None:
    right = array.ndim == ndim and array.shape[1] == NUM_BINS and array.shape[2] > 0
    if not right or (channels and array.shape[3] != channels):
        last = f", {channels or 'channels'}" if ndim == 4 else ""
        raise ValueError(f"expected [batch, {NUM_BINS}, frames{last}], got {list(array.shape)}")


# -- Features, and back


@jax.jit
def log_magnitude(spectrum: jax.Array) -> jax.Array:
    """Returns the power in dB relative to the note's own maximum, scaled to [0, 1].

    120 dB below the maximum and less are 0. The note's absolute level is lost; silence, all of
    which is as loud as its maximum, is 1.

    Args:
        spectrum: complex64 [batch, bins, frames].

    Returns:
        float32 [batch, bins, frames].
    """
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    power_db = 10 * jnp.log10(jnp.maximum(power, _POWER_FLOOR))
    below_peak_db = power_db - power_db.max(axis=(1, 2), keepdims=True)
    return jnp.maximum(below_peak_db, -DYNAMIC_RANGE_DB) / DYNAMIC_RANGE_DB + 1


@jax.jit
def from_log_magnitude(level: jax.Array) -> jax.Array:
    """Undoes `log_magnitude`, except for the note's own level.

    Args:
        level: float of any shape.

    Returns:
        float32 of the same shape: magnitudes of 1e-6 for level 0 to 1 for level 1.
    """
    nepers = DYNAMIC_RANGE_DB / 20 * math.log(10)
    return jnp.exp((level.astype(jnp.float32) - 1) * nepers)


@jax.jit
def instantaneous_frequency(spectrum: jax.Array) -> jax.Array:
    """Returns the phase's change from frame to frame in half turns, [-1, 1].

    The first frame has no predecessor and holds its phase itself.

    Args:
        spectrum: complex64 [batch, bins, frames].

    Returns:
        float32 [batch, bins, frames]; 0 where there is no sound.
    """
    # A negative zero would have a phase of half a turn.
    phase = jnp.where(spectrum == 0, 0.0, jnp.angle(spectrum)) / jnp.pi
    change = jnp.diff(phase, axis=2, prepend=0.0)
    return change - 2 * (change > 1) + 2 * (change < -1)


@jax.jit
def log_magnitude_and_frequency(spectrum: jax.Array) -> jax.Array:
    """Returns the log magnitude and, masked by it, the instantaneous frequency.

    The mask is the authors'. The change in a bin that is at the floor is lost, and with it the
    phase there from then on.

    Args:
        spectrum: complex64 [batch, bins, frames].

    Returns:
        float32 [batch, bins, frames, 2]: `log_magnitude`, and its product with
        `instantaneous_frequency`.
    """
    level = log_magnitude(spectrum)
    return jnp.stack([level, level * instantaneous_frequency(spectrum)], axis=-1)


@functools.partial(jax.jit, static_argnames="num_samples")
def audio_from_log_magnitude_and_frequency(
    features: jax.Array, num_samples: int | None = None
) -> jax.Array:
    """Accumulates the phase and returns the sound, at the level of a largest magnitude of 1.

    Args:
        features: float [batch, 513, frames, 2], as `log_magnitude_and_frequency` returns them.
        num_samples: as for `istft`, and so are the result and the errors.
    """
    _check_bins(features, 4, channels=2)
    level, masked = jnp.moveaxis(features.astype(jnp.float32), -1, 0)
    # A network's output may exceed the range, and sums of large changes lose precision.
    change = jnp.clip(masked / jnp.maximum(level, _POWER_FLOOR), -1, 1)
    phase = jnp.pi * jnp.cumsum(change, axis=2)
    return istft(_polar(from_log_magnitude(level), phase), num_samples)


@jax.jit
def real_and_imaginary(spectrum: jax.Array) -> jax.Array:
    """Returns the parts of complex64 [batch, bins, frames] as float32 [batch, bins, frames, 2]."""
    return jnp.stack([spectrum.real, spectrum.imag], axis=-1)


@functools.partial(jax.jit, static_argnames="num_samples")
def audio_from_real_and_imaginary(features: jax.Array, num_samples: int | None = None) -> jax.Array:
    """Returns the sound; its level is kept.

    Args:
        features: float [batch, 513, frames, 2], as `real_and_imaginary` returns them.
        num_samples: as for `istft`, and so are the result and the errors.
    """
    _check_bins(features, 4, channels=2)
    features = features.astype(jnp.float32)
    return istft(jax.lax.complex(features[..., 0], features[..., 1]), num_samples)


def _polar(magnitude: jax.Array, phase: jax.Array) -> jax.Array:
    return jax.lax.complex(magnitude * jnp.cos(phase), magnitude * jnp.sin(phase))


# -- Phase from magnitude


@functools.partial(jax.jit, static_argnames="frames")
def random_phase(keys: jax.Array, frames: int) -> jax.Array:
    """Draws phases that depend on each note's key only, not on the batch.

    Args:
        keys: random keys [batch], one a note.
        frames: how many.

    Returns:
        float32 radians [batch, 513, frames], uniform in [-pi, pi).
    """
    draw = functools.partial(jax.random.uniform, shape=(NUM_BINS, frames), dtype=jnp.float32)
    return jax.vmap(functools.partial(draw, minval=-jnp.pi, maxval=jnp.pi))(keys)


def griffin_lim(
    magnitude: jax.Array,
    keys: jax.Array,
    num_iterations: int = 1000,
    momentum: float = 0.0,
    num_samples: int | None = None,
) -> jax.Array:
    """Finds a sound with a given magnitude, starting from random phases.

    The authors take 1000 iterations without momentum. Arguments, result and errors are those of
    `griffin_lim_from_phase`, but for `keys`: random keys [batch], one a note.
    """
    _check_bins(magnitude, 3)
    if keys.shape[:1] != magnitude.shape[:1]:
        raise ValueError(f"{len(magnitude)} notes need as many keys, got {list(keys.shape)}")
    phase = random_phase(keys, magnitude.shape[2])
    return griffin_lim_from_phase(magnitude, phase, num_iterations, momentum, num_samples)


def griffin_lim_from_phase(
    magnitude: jax.Array,
    phase: jax.Array,
    num_iterations: int = 1000,
    momentum: float = 0.0,
    num_samples: int | None = None,
) -> jax.Array:
    """Finds a sound with a given magnitude, starting from given phases.

    Griffin & Lim 1984 without momentum; with it the accelerated form of Perraudin et al. 2013 as
    librosa defines it: phases are those of c_n - momentum / (1 + momentum) c_(n-1), where c_n is
    the n-th sound's spectrum. librosa's choice is 0.99.

    Args:
        magnitude: float [batch, 513, frames], 0 or more.
        phase: float radians [batch, 513, frames].
        num_iterations: 0 or more.
        momentum: 0 to 1.
        num_samples: see `istft`.

    Returns:
        float32 [batch, num_samples].

    Raises:
        ValueError: an argument is out of its range or shape.
    """
    _check_bins(magnitude, 3)
    if phase.shape != magnitude.shape:
        raise ValueError(f"phase is {list(phase.shape)}, magnitude {list(magnitude.shape)}")
    if num_iterations < 0:
        raise ValueError(f"num_iterations is {num_iterations}, not 0 or more")
    if not 0 <= momentum <= 1:
        raise ValueError(f"momentum is {momentum}, not within 0 to 1")
    return _griffin_lim(magnitude, phase, num_iterations, momentum, num_samples)


@functools.partial(jax.jit, static_argnames=("momentum", "num_samples"))
def _griffin_lim(
    magnitude: jax.Array,
    phase: jax.Array,
    num_iterations: int,
    momentum: float,
    num_samples: int | None,
) -> jax.Array:
    gain, num_samples = _overlap_gain(magnitude.shape[2], num_samples)
    magnitude = magnitude.astype(jnp.float32).swapaxes(1, 2)
    estimate = _polar(magnitude, phase.astype(jnp.float32).swapaxes(1, 2))

    def whole_batch(magnitude: jax.Array, estimate: jax.Array) -> jax.Array:
        return _refine(magnitude, estimate, gain, num_iterations, momentum)

    def note_by_note(magnitude: jax.Array, estimate: jax.Array) -> jax.Array:
        def one(note: tuple[jax.Array, jax.Array]) -> jax.Array:
            return whole_batch(note[0][jnp.newaxis], note[1][jnp.newaxis])[0]

        return jax.lax.map(one, (magnitude, estimate))

    # One note fits in a processor's cache, a batch does not; a third of the time is saved.
    hops = jax.lax.platform_dependent(magnitude, estimate, cpu=note_by_note, default=whole_batch)
    return _crop(hops, num_samples)


def _refine(
    magnitude: jax.Array,
    estimate: jax.Array,
    gain: np.ndarray,
    num_iterations: int,
    momentum: float,
) -> jax.Array:
    """Iterates; spectra are [batch, frames, bins], the sound returned [batch, frames + 3, hop]."""
    inertia = momentum / (1 + momentum)

    def synthesize(spectrum: jax.Array) -> jax.Array:
        return _overlap_add(spectrum) * gain

    def impose_magnitude(spectrum: jax.Array) -> jax.Array:
        # Cheaper than a complex division by the absolute value.
        real, imaginary = spectrum.real, spectrum.imag
        power = jnp.square(real) + jnp.square(imaginary)
        scale = magnitude * jax.lax.rsqrt(power + _TINY_POWER)
        return jax.lax.complex(scale * real, scale * imaginary)

    def step(_: int, state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        rebuilt = _analyse(state[0])
        if not momentum:
            return (synthesize(impose_magnitude(rebuilt)),)
        return synthesize(impose_magnitude(rebuilt - inertia * state[1])), rebuilt

    # The state is sound, a quarter of the spectrum's size.
    sound = synthesize(estimate)
    state = (sound, jnp.zeros_like(estimate)) if momentum else (sound,)
    return jax.lax.fori_loop(0, num_iterations, step, state)[0]


@jax.jit
def normalize_peak(audio: jax.Array) -> jax.Array:
    """Returns float [batch, samples] with each sound's peak at 1; silence stays silent."""
    peak = jnp.abs(audio).max(axis=1, keepdims=True, initial=0.0)
    return audio / jnp.maximum(peak, jnp.finfo(jnp.float32).tiny)
