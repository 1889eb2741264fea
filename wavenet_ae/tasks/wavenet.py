"""The task of the WaveNet autoencoder: predict every sample's mu-law code."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from wavenet_ae.audio import mu_law
from wavenet_ae.data import nsynth
from wavenet_ae.models.autoencoder import WaveNetAutoencoder
from wavenet_ae.models.distributions import Distribution
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.settings import TRUTH, Rules, choice, whole
from wavenet_ae.tasks.model_rules import (
    ARITHMETIC,
    DILATION_CYCLE,
    LAYERS,
    NUM_PITCHES,
    SIZE,
    exactly,
)
from wavenet_ae.tasks.note_task import NoteTask

_MODEL_RULES = {
    "encoder_channels": SIZE,
    "encoder_layers": LAYERS,
    "decoder_channels": SIZE,
    "skip_channels": SIZE,
    "decoder_layers": LAYERS,
    "dilation_cycle": DILATION_CYCLE,
    "embedding_size": SIZE,
    "hop_length": SIZE,
    "num_pitches": NUM_PITCHES,
    "pitch_lags": whole(0, 8),
    "num_classes": exactly(mu_law.NUM_CLASSES, "the number of mu-law codes"),
    "output_init": choice("authors", "zeros"),
    "rematerialize": TRUTH,
    **ARITHMETIC,
}


@dataclasses.dataclass(frozen=True)
class WaveNetTask(NoteTask):
    """Engel et al. 2017, section 2.1: the mean cross-entropy over all samples, in nats.

    Attributes:
        model: the autoencoder.
        crop_samples: length of the training crops, a multiple of the model's hop.
    """

    model_class: ClassVar[type] = WaveNetAutoencoder
    metrics: ClassVar[tuple[str, ...]] = ("loss", "bits_per_sample")
    may_differ: ClassVar[tuple[str, ...]] = ("pitch_lags",)
    rules: ClassVar[Rules] = {"model": _MODEL_RULES, "crop_samples": whole(1, nsynth.NOTE_SAMPLES)}

    model: WaveNetAutoencoder
    crop_samples: int

    def __post_init__(self):
        hop = self.model.hop_length
        if self.crop_samples % hop:
            raise UserError(
                f"config.crop_samples={self.crop_samples} must be a multiple of the hop of {hop} "
                "samples."
            )
        if self.model.pitch_lags and not self.model.num_pitches:
            raise UserError(
                f"config.model.pitch_lags={self.model.pitch_lags} needs "
                "config.model.num_pitches=128: the decoder reads its past by the pitch."
            )

    @property
    def num_pitches(self) -> int:
        """0, or how many pitches the decoder is conditioned on."""
        return self.model.num_pitches

    def init(self, key: jax.Array) -> tuple[Any, Any]:
        """Returns new parameters, and an empty model state."""
        signal = jnp.zeros((1, self.model.hop_length))
        return self.model.init(key, signal, jnp.zeros(1, jnp.int32))["params"], {}

    def start_params(self, params: Any, theirs: Any) -> Any:
        """Returns the other run's parameters, and new ones for lags that it does not have.

        Raises:
            UserError: the other run has lags, and of another number.
        """
        ours, old = params["decoder"].get("lagged"), theirs["decoder"].get("lagged")
        if old is not None and (ours is None or ours["kernel"].shape != old["kernel"].shape):
            raise UserError(
                "The weights of config.init_from read the past by the pitch with another number of "
                f"lags than config.model.pitch_lags={self.model.pitch_lags}: choose the same."
            )
        if ours is None or old is not None:
            return theirs
        return {**theirs, "decoder": {**theirs["decoder"], "lagged": ours}}

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
            model_state: passed through.
            batch: `audio` float32 `[batch, time]`; `pitch` `[batch]`; for teacher forcing with
                noise, `decoder_input_noise` int8 `[batch, time]`, to be added to the codes.
            train: has no influence here.
            key: not used; nothing here is drawn at random.

        Returns:
            float32 `[batch]` arrays `loss` (nats a sample) and `bits_per_sample`; the model state.
        """
        codes = mu_law.encode(batch["audio"])
        decoder_inputs = None
        if "decoder_input_noise" in batch:
            decoder_inputs = mu_law.to_unit_range(mu_law.add(codes, batch["decoder_input_noise"]))
        signal = mu_law.to_unit_range(codes)
        logits = self.model.apply({"params": params}, signal, batch["pitch"], decoder_inputs)
        loss = self.model.distribution.nats(logits, codes).mean(axis=1)
        return {"loss": loss, "bits_per_sample": loss / jnp.log(2.0)}, model_state

    def trivial_baselines(self, batches: Iterable[Mapping[str, np.ndarray]]) -> dict[str, float]:
        """Returns what `entropies` does."""
        return entropies(self.model.distribution, batches)


def entropies(
    distribution: Distribution, batches: Iterable[Mapping[str, np.ndarray]]
) -> dict[str, float]:
    """Returns bits a sample of two predictors without a model.

    `uniform_bits_per_sample` is for equally probable values; `histogram_bits_per_sample` is the
    unigram entropy of the samples in these batches.
    """
    values = distribution.values
    counts = np.zeros(len(values))
    for batch in batches:
        places = np.asarray(distribution.quantize(batch["audio"])) - values.start
        counts += np.bincount(places.ravel(), minlength=len(values))
    shares = counts[counts > 0] / counts.sum()
    return {
        "uniform_bits_per_sample": float(np.log2(len(values))),
        "histogram_bits_per_sample": float(-np.sum(shares * np.log2(shares))),
    }
