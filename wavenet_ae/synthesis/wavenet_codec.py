"""The WaveNet autoencoder as encoder and decoder of sounds of any length."""

import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from wavenet_ae.audio import mu_law
from wavenet_ae.models.autoencoder import WaveNetAutoencoder
from wavenet_ae.models.midi_wavenet import MidiWaveNet
from wavenet_ae.models.translation import TranslationNetwork
from wavenet_ae.synthesis import sampler
from wavenet_ae.system.errors import UserError
from wavenet_ae.training import sharding
from wavenet_ae.training.trained import TrainedModel

# Longer sounds are encoded in windows of so many frames, to bound the memory, with one program.
# Shorter ones are padded to a power of two, so that a few programs serve all lengths.
_WINDOW_FRAMES = 256


@dataclasses.dataclass(frozen=True)
class WaveNetGenerator:
    """The part of a `Codec` that makes sound; runs on the devices of this process.

    Attributes:
        trained: a model that `sampler.SampledModel` describes.
        temperature: see `sampler.generate`.
    """

    trained: TrainedModel
    temperature: float = 1.0

    def __post_init__(self):
        if not 0 <= self.temperature < math.inf:
            raise UserError(f"temperature={self.temperature} must be a number, 0 or larger.")

    @property
    def model(self) -> WaveNetAutoencoder | TranslationNetwork | MidiWaveNet:
        return self.trained.task.model

    @property
    def hop_length(self) -> int:
        return self.model.hop_length

    @property
    def embedding_size(self) -> int:
        return self.model.embedding_size

    @property
    def num_pitches(self) -> int:
        return self.trained.task.num_pitches

    @property
    def keeps_level(self) -> bool:
        return True

    @property
    def settings(self) -> Mapping[str, float | str]:
        return {"temperature": self.temperature}

    @functools.cached_property
    def _mesh(self) -> jax.sharding.Mesh:
        return sharding.data_mesh(jax.local_devices())

    @functools.cached_property
    def _params(self) -> Any:
        return jax.device_put(self.trained.params, sharding.replicated(self._mesh))

    def generate(
        self, embedding: np.ndarray, keys: jax.Array, pitch: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """Streams sounds, a few frames at a time; see `Codec.generate`."""
        return sampler.generate(
            self.model,
            self._params,
            embedding,
            keys,
            pitch=pitch,
            temperature=self.temperature,
            mesh=self._mesh,
        )


class WaveNetCodec(WaveNetGenerator):
    """See `Codec`: the generator, with the model's encoder of sounds."""

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Encodes float32 `[batch, samples]`; see `Codec.encode`.

        Windows overlap by the encoder's reach, so that a long sound's embedding is what encoding
        it in one piece gives.
        """
        hop, (num_rows, num_samples) = self.hop_length, audio.shape
        num_frames = -(-num_samples // hop)
        rows = sharding.padded_rows(num_rows, self._mesh)
        reach = -(-self.model.bind({}).encoder.context_samples // hop)
        window = min(max(_WINDOW_FRAMES, 4 * reach), 1 << (num_frames - 1).bit_length())
        fill = max(num_frames, window) * hop - num_samples
        audio = np.pad(audio, ((0, 0), (0, fill))).astype(np.float32)
        own_samples = np.int32(min(num_frames, window) * hop)
        frames, done = [], 0
        while done < num_frames:
            # Every window lies inside the sound, so only the sound's own ends meet zero padding.
            first = max(0, min(done - reach, num_frames - window))
            cut = audio[rows, first * hop : (first + window) * hop]
            cut = jax.device_put(cut, sharding.batch_sharded(self._mesh))
            encoded = np.asarray(_encode(self.model, self._params, cut, own_samples))[:num_rows]
            end = num_frames if first + window >= num_frames else first + window - reach
            frames.append(encoded[:, done - first : end - first])
            done = end
        return np.concatenate(frames, axis=1)


@functools.partial(jax.jit, static_argnums=0)
def _encode(
    model: WaveNetAutoencoder | TranslationNetwork,
    params: Any,
    audio: jax.Array,
    num_samples: jax.Array,
) -> jax.Array:
    signal = model.to_signal(mu_law.encode(audio))
    return model.apply({"params": params}, signal, num_samples, method="encode")
