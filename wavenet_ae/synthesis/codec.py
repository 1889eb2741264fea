"""One interface to all models that have embeddings."""

from collections.abc import Iterator, Mapping
from typing import Protocol

import jax
import numpy as np

from wavenet_ae.synthesis.spectral_codec import SpectralCodec
from wavenet_ae.synthesis.wavenet_codec import WaveNetCodec
from wavenet_ae.system.errors import UserError
from wavenet_ae.training.trained import TrainedModel


class Codec(Protocol):
    """A trained model as encoder and decoder of sound.

    Attributes:
        trained: the model.
        hop_length: samples per frame of an embedding.
        embedding_size: numbers in a frame.
        num_pitches: 0, or how many pitches the decoder is conditioned on.
        keeps_level: whether loud sounds come back louder than soft ones; else the peak is 1.
        settings: what the decoder's sound depends on beside the weights, by name.
    """

    trained: TrainedModel

    @property
    def hop_length(self) -> int: ...

    @property
    def embedding_size(self) -> int: ...

    @property
    def num_pitches(self) -> int: ...

    @property
    def keeps_level(self) -> bool: ...

    @property
    def settings(self) -> Mapping[str, float | str]: ...

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Encodes sounds of one length, whatever it is.

        Args:
            audio: float32 `[batch, samples]` at 16 kHz; silence is added up to a multiple of the
                hop.

        Returns:
            float32 `[batch, frames, embedding_size]`.
        """
        ...

    def generate(
        self, embedding: np.ndarray, keys: jax.Array, pitch: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """Streams sounds from embeddings.

        Args:
            embedding: float32 `[batch, frames, embedding_size]`.
            keys: `[batch]`, from `sampler.note_keys`: all of a sound's randomness.
            pitch: int32 `[batch]`, MIDI, for a model that is conditioned on it.

        Yields:
            float32 `[batch, samples]` at 16 kHz: the next part of every sound. All parts together
            have frames x hop_length samples.
        """
        ...


_CODECS = {"wavenet": WaveNetCodec, "spectral": SpectralCodec}
TASKS = tuple(_CODECS)
_WANTED = "a run of a WaveNet autoencoder or a spectral autoencoder"


def create(trained: TrainedModel, **settings: float | None) -> Codec:
    """Returns the codec of a trained model.

    Args:
        trained: of the WaveNet or of the spectral autoencoder.
        **settings: `temperature` of the WaveNet; `griffin_lim_iterations` and
            `griffin_lim_momentum` of the spectral autoencoder; None takes the default.

    Raises:
        UserError: the model has no embeddings or no such setting, or the setting is out of range.
    """
    task = trained.config["task"]
    if task == "translation":
        raise UserError(
            f"{trained.name} is a translation network, which wavenet-ae translate takes: name "
            f"{_WANTED}."
        )
    if task == "midi":
        raise UserError(
            f"{trained.name} is conditioned on notes, which wavenet-ae perform takes: name "
            f"{_WANTED}."
        )
    if task not in _CODECS:
        raise UserError(f"{trained.name} is a {task}, which has no embeddings: name {_WANTED}.")
    given = {name: value for name, value in settings.items() if value is not None}
    for name in given:
        if name not in _CODECS[task].__dataclass_fields__:
            raise UserError(
                f"{name} is not a setting of {trained.name}, which is a {task} model: leave it out."
            )
    return _CODECS[task](trained, **given)
