"""The task of the spectral autoencoder: reconstruct a note's spectrogram."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from wavenet_ae.audio import representations
from wavenet_ae.models.spectral_autoencoder import SpectralAutoencoder
from wavenet_ae.system.settings import Rules, choice
from wavenet_ae.tasks.model_rules import NUM_PITCHES, SIZE, SPECTRAL_LAYERS
from wavenet_ae.tasks.note_task import NoteTask
from wavenet_ae.tasks.spectral_loss import frequency_weights, weighted_squared_error

_MODEL_RULES = {
    **SPECTRAL_LAYERS,
    "embedding_size": SIZE,
    "num_pitches": NUM_PITCHES,
    "pitch_embedding_size": SIZE,
    "representation": choice(*representations.REPRESENTATIONS),
}


@dataclasses.dataclass(frozen=True)
class SpectralTask(NoteTask):
    """Engel et al. 2017, section 2.2: the squared error, weighted over frequency.

    Batch normalisation is over what is computed at once: the batch on all devices, or, with
    accumulation, each microbatch.

    Attributes:
        model: the autoencoder.
        crop_samples: None, since it reads whole notes.
    """

    model_class: ClassVar[type] = SpectralAutoencoder
    crop_samples: ClassVar[None] = None
    metrics: ClassVar[tuple[str, ...]] = ("loss",)
    rules: ClassVar[Rules] = {"model": _MODEL_RULES}

    model: SpectralAutoencoder

    @property
    def num_pitches(self) -> int:
        """0, or how many pitches the decoder is conditioned on."""
        return self.model.num_pitches

    def init(self, key: jax.Array) -> tuple[Any, Any]:
        """Returns new parameters, and initial moving statistics."""
        channels = representations.NUM_CHANNELS[self.model.representation]
        spectrogram = jnp.zeros((1, *representations.NETWORK_SHAPE, channels))
        return split_variables(self.model.init(key, spectrogram, jnp.zeros(1, jnp.int32)))

    def loss(
        self,
        params: Any,
        model_state: Any,
        batch: Mapping[str, jax.Array],
        *,
        train: bool,
        key: jax.Array | None = None,
    ) -> tuple[dict[str, jax.Array], Any]:
        """Scores a batch.

        Args:
            params: of the model.
            model_state: moving statistics.
            batch: `audio` float32 `[batch, samples]`, whole notes; `pitch` `[batch]`.
            train: normalise by the batch, and update the statistics.
            key: not used; nothing here is drawn at random.

        Returns:
            A float32 `[batch]` array `loss`, and the moving statistics.
        """
        target = representations.from_audio(batch["audio"], self.model.representation)
        prediction, model_state = apply(
            self.model, params, model_state, train, target, batch["pitch"]
        )
        loss = weighted_squared_error(target, prediction, frequency_weights())
        return {"loss": loss}, model_state

    def trivial_baselines(self, batches: Iterable[Mapping[str, np.ndarray]]) -> dict[str, float]:
        """Returns `mean_spectrogram_loss`: the loss of always answering these batches' mean."""
        total, squares, count = 0.0, 0.0, 0
        for batch in batches:
            features = representations.from_audio(batch["audio"], self.model.representation)
            features = np.asarray(features, np.float64)
            total, squares = total + features.sum(axis=0), squares + np.square(features).sum(axis=0)
            count += len(features)
        variance = squares / count - np.square(total / count)
        weighted = variance * frequency_weights()[:, None, None]
        return {"mean_spectrogram_loss": float(weighted.mean(axis=(0, 1)).sum())}


def split_variables(variables: Mapping[str, Any]) -> tuple[Any, Any]:
    """Returns the parameters, and the collection `batch_stats` as the model's state."""
    return variables["params"], {"batch_stats": variables["batch_stats"]}


def apply(
    model: nn.Module, params: Any, model_state: Any, train: bool, *inputs: jax.Array
) -> tuple[Any, Any]:
    """Applies a model with batch normalisation; returns its output and the new model state."""
    variables = {"params": params, **model_state}
    if not train:
        return model.apply(variables, *inputs), model_state
    return model.apply(variables, *inputs, train=True, mutable=["batch_stats"])
