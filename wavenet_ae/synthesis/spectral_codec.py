"""The spectral autoencoder as encoder and decoder of sounds, one vector for every 4 s."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from wavenet_ae.audio import representations
from wavenet_ae.data import nsynth
from wavenet_ae.models.spectral_autoencoder import SpectralAutoencoder
from wavenet_ae.system.errors import UserError
from wavenet_ae.training import sharding
from wavenet_ae.training.trained import TrainedModel

# Notes that a device encodes or decodes at a time, to bound the memory.
_ROWS_PER_DEVICE = 16


@dataclasses.dataclass(frozen=True)
class SpectralCodec:
    """See `Codec`; runs on the devices of this process.

    The model reads notes of 4 s: a shorter sound is followed by silence, a longer one
    is cut into notes, each with a vector of its own and, once decoded, a level of its own where the
    representation has none.

    Attributes:
        trained: the model.
        griffin_lim_iterations: see `spectral.griffin_lim`; the authors take 1000.
        griffin_lim_momentum: see `spectral.griffin_lim`; the authors take 0.
    """

    trained: TrainedModel
    griffin_lim_iterations: int = 1000
    griffin_lim_momentum: float = 0.0

    def __post_init__(self):
        if not 0 <= self.griffin_lim_iterations <= 1_000_000:
            raise UserError(
                f"griffin_lim_iterations={self.griffin_lim_iterations} must be a whole number "
                "from 0 to 1,000,000."
            )
        if not 0 <= self.griffin_lim_momentum <= 1:
            raise UserError(
                f"griffin_lim_momentum={self.griffin_lim_momentum} must be a number from 0 to 1."
            )

    @property
    def model(self) -> SpectralAutoencoder:
        return self.trained.task.model

    @property
    def hop_length(self) -> int:
        return nsynth.NOTE_SAMPLES

    @property
    def embedding_size(self) -> int:
        return self.model.embedding_size

    @property
    def num_pitches(self) -> int:
        return self.model.num_pitches

    @property
    def keeps_level(self) -> bool:
        return self.model.representation == "real_and_imaginary"

    @property
    def settings(self) -> Mapping[str, float]:
        if self.model.representation != "log_magnitude":
            return {}  # it has a phase
        return {
            "griffin_lim_iterations": self.griffin_lim_iterations,
            "griffin_lim_momentum": self.griffin_lim_momentum,
        }

    @functools.cached_property
    def _mesh(self) -> jax.sharding.Mesh:
        return sharding.data_mesh(jax.local_devices())

    @functools.cached_property
    def _variables(self) -> Any:
        variables = {"params": self.trained.params, **self.trained.model_state}
        return jax.device_put(variables, sharding.replicated(self._mesh))

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Encodes float32 `[batch, samples]`; see `Codec.encode`."""
        num_rows, num_samples = audio.shape
        audio = np.pad(audio, ((0, 0), (0, -num_samples % self.hop_length))).astype(np.float32)
        notes = audio.reshape(-1, self.hop_length)
        most = _ROWS_PER_DEVICE * self._mesh.size
        vectors = []
        for first in range(0, len(notes), most):
            part = notes[first : first + most]
            # The last part is as large as the others, so that one compiled program serves all.
            rows = sharding.padded_rows(len(part), self._mesh)
            rows = rows if len(notes) <= most else np.arange(most) % len(part)
            placed = jax.device_put(part[rows], sharding.batch_sharded(self._mesh))
            vectors.append(np.asarray(_encode(self.model, self._variables, placed))[: len(part)])
        return np.concatenate(vectors).reshape(num_rows, -1, self.embedding_size)

    def generate(
        self, embedding: np.ndarray, keys: jax.Array, pitch: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """Streams sounds, 4 s at a time; see `Codec.generate` and `representations.to_audio`."""
        most = _ROWS_PER_DEVICE * self._mesh.size
        for note in range(embedding.shape[1]):
            parts = [
                self._decode(
                    embedding[first : first + most, note],
                    keys[first : first + most],
                    None if pitch is None else pitch[first : first + most],
                    note,
                )
                for first in range(0, len(embedding), most)
            ]
            yield np.concatenate(parts)

    def _decode(
        self, z: np.ndarray, keys: jax.Array, pitch: np.ndarray | None, note: int
    ) -> np.ndarray:
        """Returns the sounds `[batch, 64000]` of vectors `[batch, embedding_size]`."""
        rows = sharding.padded_rows(len(z), self._mesh)
        split = sharding.batch_sharded(self._mesh)
        pitch = None if pitch is None else jax.device_put(np.asarray(pitch, np.int32)[rows], split)
        keys = jax.device_put(keys[rows], split)
        audio = representations.to_audio(
            _decode(self.model, self._variables, jax.device_put(z[rows], split), pitch),
            self.model.representation,
            self.hop_length,
            jax.vmap(jax.random.fold_in, (0, None))(keys, note),
            num_iterations=self.griffin_lim_iterations,
            momentum=self.griffin_lim_momentum,
        )
        return np.asarray(audio)[: len(z)]


@functools.partial(jax.jit, static_argnums=0)
def _encode(model: SpectralAutoencoder, variables: Any, audio: jax.Array) -> jax.Array:
    features = representations.from_audio(audio, model.representation)
    return model.apply(variables, features, method="encode")


@functools.partial(jax.jit, static_argnums=0)
def _decode(
    model: SpectralAutoencoder, variables: Any, z: jax.Array, pitch: jax.Array | None
) -> jax.Array:
    return model.apply(variables, z, pitch, method="decode")
