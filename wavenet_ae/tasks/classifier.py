"""The task of the classifier: name a note's pitch, qualities, family and source."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from wavenet_ae.audio import representations
from wavenet_ae.data import nsynth
from wavenet_ae.models.classifier import Classifier, Logits
from wavenet_ae.system.settings import Rules
from wavenet_ae.tasks.model_rules import SPECTRAL_LAYERS, exactly
from wavenet_ae.tasks.note_task import NoteTask
from wavenet_ae.tasks.spectral import apply, split_variables

_NUM_LABELS = {
    "num_pitches": nsynth.NUM_PITCHES,
    "num_qualities": len(nsynth.QUALITIES),
    "num_families": len(nsynth.FAMILIES),
    "num_sources": len(nsynth.SOURCES),
}
_MODEL_RULES = SPECTRAL_LAYERS | {
    name: exactly(number, "as many as NSynth's notes have") for name, number in _NUM_LABELS.items()
}
_CATEGORICAL = ("pitch", "family", "source")


@dataclasses.dataclass(frozen=True)
class ClassifierTask(NoteTask):
    """The unweighted sum of four cross-entropies, as in the authors' code.

    Attributes:
        model: the classifier.
        crop_samples: None, since it reads whole notes.
    """

    model_class: ClassVar[type] = Classifier
    crop_samples: ClassVar[None] = None
    metrics: ClassVar[tuple[str, ...]] = (
        "loss",
        "pitch_accuracy",
        "family_accuracy",
        "source_accuracy",
        "quality_accuracy",
        "no_quality_accuracy",
    )
    rules: ClassVar[Rules] = {"model": _MODEL_RULES}

    model: Classifier

    @property
    def num_pitches(self) -> int:
        """0: it predicts the pitch, and is not conditioned on it."""
        return 0

    def init(self, key: jax.Array) -> tuple[Any, Any]:
        """Returns new parameters, and initial moving statistics."""
        spectrogram = jnp.zeros((1, *representations.NETWORK_SHAPE, 1))
        return split_variables(self.model.init(key, spectrogram))

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
            batch: `audio` float32 `[batch, samples]`, whole notes; `pitch`, `family` and
                `source` `[batch]`; `qualities` `[batch, 10]`.
            train: normalise by the batch, and update the statistics.
            key: not used; nothing here is drawn at random.

        Returns:
            float32 `[batch]` arrays: `loss` in nats, and the accuracies
            `pitch_accuracy`, `quality_accuracy` (of the ten), `family_accuracy`,
            `source_accuracy`, and `no_quality_accuracy` of always answering that the note
            has no quality; and the moving statistics.
        """
        features = representations.from_audio(batch["audio"], "log_magnitude")
        logits, model_state = apply(self.model, params, model_state, train, features)
        cross_entropy = optax.softmax_cross_entropy_with_integer_labels
        loss = sum(cross_entropy(getattr(logits, name), batch[name]) for name in _CATEGORICAL)
        qualities = batch["qualities"].astype(jnp.float32)
        loss += optax.sigmoid_binary_cross_entropy(logits.qualities, qualities).mean(axis=1)
        metrics = {"loss": loss, **accuracies(logits, batch)}
        # On the same notes: qualities are not equally frequent in all splits.
        return metrics | {"no_quality_accuracy": 1 - qualities.mean(axis=1)}, model_state

    def trivial_baselines(self, batches: Iterable[Mapping[str, np.ndarray]]) -> dict[str, float]:
        """Returns accuracies of always naming the most frequent label of these batches."""
        labels = [{name: batch[name] for name in _CATEGORICAL} for batch in batches]
        joined = {name: np.concatenate([some[name] for some in labels]) for name in _CATEGORICAL}
        return {
            f"most_frequent_{name}_accuracy": float(np.bincount(values).max() / len(values))
            for name, values in joined.items()
        }


def accuracies(logits: Logits, labels: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    """Compares logits with labels.

    Args:
        logits: of a batch.
        labels: `pitch`, `family` and `source` `[batch]`; `qualities` `[batch, 10]`.

    Returns:
        float32 `[batch]` arrays `pitch_accuracy`, `family_accuracy` and `source_accuracy`, 0 or 1,
        and `quality_accuracy`, the fraction of the ten qualities that are right.
    """
    right = {
        f"{name}_accuracy": getattr(logits, name).argmax(axis=-1) == labels[name]
        for name in _CATEGORICAL
    }
    right["quality_accuracy"] = (logits.qualities > 0) == labels["qualities"]
    return {
        name: share.reshape(len(share), -1).mean(axis=1).astype(jnp.float32)
        for name, share in right.items()
    }
