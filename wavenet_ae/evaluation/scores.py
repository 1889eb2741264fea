"""Scores of notes and of their reconstructions, one number per note."""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from wavenet_ae.audio import spectral
from wavenet_ae.tasks import Task
from wavenet_ae.training import sharding
from wavenet_ae.training.trained import TrainedModel

# For the distance between spectra: what is further below the peak is inaudible.
_AUDIBLE_RANGE_DB = 80.0


class Scorer:
    """Computes a trained model's metrics of notes by its EMA weights, on this process's devices.

    Args:
        trained: of any task.
    """

    def __init__(self, trained: TrainedModel):
        self._task = trained.task
        self._mesh = sharding.data_mesh(jax.local_devices())
        weights = (trained.params, trained.model_state)
        self._weights = jax.device_put(weights, sharding.replicated(self._mesh))

    def __call__(
        self, audio: np.ndarray, labels: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Scores a batch.

        Args:
            audio: float32 `[batch, samples]` at 16 kHz.
            labels: what the task's loss reads beside the audio, each `[batch, ...]`.

        Returns:
            float32 `[batch]` arrays, named as by `Task.loss`.
        """
        rows = sharding.padded_rows(len(audio), self._mesh)
        batch = {name: array[rows] for name, array in {"audio": audio, **labels}.items()}
        batch = jax.device_put(batch, sharding.batch_sharded(self._mesh))
        metrics = _score(self._task, *self._weights, batch)
        return {name: np.asarray(values)[: len(audio)] for name, values in metrics.items()}


@functools.partial(jax.jit, static_argnums=0)
def _score(task: Task, params: Any, model_state: Any, batch: Any) -> dict[str, jax.Array]:
    return task.loss(params, model_state, batch, train=False)[0]


@jax.jit
def log_spectral_distance(audio: jax.Array, other: jax.Array) -> jax.Array:
    """Compares the levels of two sounds over frequency and time.

    Levels are relative to each sound's own maximum and end 80 dB below it, so that neither the
    volume nor inaudible noise counts.

    Args:
        audio: float32 `[batch, samples]` at 16 kHz.
        other: likewise.

    Returns:
        float32 `[batch]` in dB: in every frame the root of the mean squared difference over
        frequency, averaged over frames (Gray & Markel 1976).
    """
    floor = 1 - _AUDIBLE_RANGE_DB / spectral.DYNAMIC_RANGE_DB
    one, another = (
        jnp.maximum(spectral.log_magnitude(spectral.stft(sound)), floor) for sound in (audio, other)
    )
    squared = jnp.square((one - another) * spectral.DYNAMIC_RANGE_DB)
    return jnp.sqrt(squared.mean(axis=1)).mean(axis=1)
