"""The task of music translation: a network that plays a sound as another domain would."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax

from wavenet_ae.audio import mu_law
from wavenet_ae.data import nsynth
from wavenet_ae.models import translation
from wavenet_ae.models.translation import CLASSIFIER, DECODERS, ENCODER, TranslationNetwork
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.settings import NOT_NEGATIVE, TRUTH, Rule, Rules, choice, whole
from wavenet_ae.tasks.model_rules import ARITHMETIC, DILATION_CYCLE, LAYERS, SIZE, exactly
from wavenet_ae.tasks.updates import Reads, Update
from wavenet_ae.tasks.wavenet import entropies

Metrics = dict[str, jax.Array]

_MODEL_RULES = {
    "encoder_channels": SIZE,
    "encoder_layers": LAYERS,
    "encoder_dilation_cycle": DILATION_CYCLE,
    "decoder_channels": SIZE,
    "skip_channels": SIZE,
    "decoder_layers": LAYERS,
    "dilation_cycle": DILATION_CYCLE,
    "embedding_size": SIZE,
    "hop_length": SIZE,
    "classifier_channels": SIZE,
    "num_classes": exactly(mu_law.NUM_CLASSES, "the number of mu-law codes"),
    "output_init": choice("authors", "zeros"),
    "rematerialize": TRUTH,
    **ARITHMETIC,
}
_DOMAINS = Rule(
    "a list of different names",
    lambda x: (
        isinstance(x, list | tuple)
        and len(x) > 0
        and all(isinstance(name, str) and name for name in x)
        and len({*x}) == len(x)
    ),
)


@dataclasses.dataclass(frozen=True)
class TranslationTask:
    """Mor et al. 2019 (arXiv 1805.07848), section 3.2, by the alternating updates of their code.

    A step first trains the domain classifier on the latents of clean sounds; then encoder and
    decoders to reconstruct the clean sounds from the latents of detuned ones, from which the
    classifier shall not find the domain.

    A batch has its rows sorted by domain, with the same number of each of `domains`: row i of n is
    of domain i // (n / number of domains).

    Attributes:
        model: the network.
        crop_samples: length of the crops, a multiple of the model's hop.
        domain_weight: of the classifier's loss in that of encoder and decoders (the paper's
            lambda). 0 trains without confusion; the classifier then shows what the latents tell.
        domain_learning_rate: the classifier's, which stays constant.
        train: `all`, or `decoder`: decoders alone, for a given encoder and without classifier.
    """

    model_class: ClassVar[type] = TranslationNetwork
    num_pitches: ClassVar[int] = 0
    reads: ClassVar[Reads] = "domains"
    rules: ClassVar[Rules] = {
        "model": _MODEL_RULES,
        "domains": _DOMAINS,
        "crop_samples": whole(1, nsynth.NOTE_SAMPLES),
        "domain_weight": NOT_NEGATIVE,
        "domain_learning_rate": NOT_NEGATIVE,
        "train": choice("all", "decoder"),
    }

    model: TranslationNetwork
    crop_samples: int
    domain_weight: float
    domain_learning_rate: float
    train: Literal["all", "decoder"]

    def __post_init__(self):
        hop = self.model.hop_length
        if self.crop_samples % hop:
            raise UserError(
                f"config.crop_samples={self.crop_samples} must be a multiple of the hop of {hop} "
                "samples."
            )
        if self.has_classifier and len(self.domains) < 2:
            raise UserError(
                f"config.domains={list(self.domains)} must be two or more: one alone can be learned"
                " with --config.train=decoder and --config.init_from, for a trained encoder."
            )

    @property
    def domains(self) -> tuple[str, ...]:
        """The names of the domains, in the order of the decoders."""
        return self.model.domains

    @property
    def has_classifier(self) -> bool:
        """Whether there is a domain classifier."""
        return self.train == "all"

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of what `loss` returns."""
        of_domains = ("domain_loss", "domain_accuracy") if self.has_classifier else ()
        return ("loss", "bits_per_sample", *of_domains)

    @property
    def batch_multiple(self) -> int:
        """The number of domains: each has as many rows."""
        return len(self.domains)

    @property
    def may_differ(self) -> tuple[str, ...]:
        """What the run of `config.init_from` may have different: the domains, for new decoders."""
        return () if self.has_classifier else ("domains",)

    def batch_arrays(
        self, batch_size: int, dataset: Mapping[str, Any]
    ) -> dict[str, tuple[tuple[int, ...], type]]:
        """Describes a batch: see `loss`."""
        sound = ((batch_size, self.crop_samples), np.float32)
        arrays = {"audio": sound, "augmented": sound, "domain": ((batch_size,), np.int32)}
        if dataset["decoder_input_noise"]:
            arrays["decoder_input_noise"] = ((batch_size, self.crop_samples), np.int8)
        return arrays

    def init(self, key: jax.Array) -> tuple[Any, Any]:
        """Returns new parameters, and an empty model state."""
        params = translation.init_params(self.model, key)
        if not self.has_classifier:
            del params[CLASSIFIER]
        return params, {}

    def start_params(self, params: Any, theirs: Any) -> Any:
        """Returns the parameters to begin with, where `config.init_from` names another run.

        With `train="decoder"` that is its encoder, and its first decoder for every domain: a
        trained one learns another domain faster than a new one.
        """
        if self.has_classifier:
            return {**params, **theirs}  # theirs have no classifier if it trained decoders alone
        repeated = jax.tree.map(
            lambda leaf: np.repeat(np.asarray(leaf[:1]), len(self.domains), axis=0),
            theirs[DECODERS],
        )
        return {ENCODER: theirs[ENCODER], DECODERS: repeated}

    @property
    def updates(self) -> tuple[Update, ...]:
        """Of the classifier, then of encoder and decoders; or of decoders alone."""
        if not self.has_classifier:
            return (Update(self.loss, groups=(DECODERS,), stacked=(DECODERS,)),)
        return (
            Update(
                self.classifier_loss,
                objective="domain_loss",
                groups=(CLASSIFIER,),
                learning_rate=self.domain_learning_rate,
            ),
            Update(
                self.autoencoder_loss,
                objective="confused_loss",
                groups=(ENCODER, DECODERS),
                stacked=(DECODERS,),
            ),
        )

    def classifier_loss(
        self,
        params: Any,
        model_state: Any,
        batch: Mapping[str, jax.Array],
        *,
        train: bool,
        key: jax.Array | None = None,
    ) -> tuple[Metrics, Any]:
        """Scores the classifier on clean sounds, in `domain_loss` and `domain_accuracy`.

        Their code also multiplies this loss by `domain_weight`, which Adam's steps do not show.
        """
        latent = self._encode(params, mu_law.encode(batch["audio"]))
        return self._of_domains(params, latent, batch["domain"]), model_state

    def autoencoder_loss(
        self,
        params: Any,
        model_state: Any,
        batch: Mapping[str, jax.Array],
        *,
        train: bool,
        key: jax.Array | None = None,
    ) -> tuple[Metrics, Any]:
        """Scores encoder and decoders on detuned sounds.

        Returns:
            float32 `[batch]` arrays `loss` and `bits_per_sample`, of the reconstruction of clean
            sounds, and `confused_loss`: `loss` less the weighted loss of the classifier.
        """
        latent = self._encode(params, mu_law.encode(batch["augmented"]))
        metrics = self._of_reconstruction(params, batch, latent)
        domain_loss = self._of_domains(params, latent, batch["domain"])["domain_loss"]
        confused_loss = metrics["loss"] - self.domain_weight * domain_loss
        return metrics | {"confused_loss": confused_loss}, model_state

    def loss(
        self,
        params: Any,
        model_state: Any,
        batch: Mapping[str, jax.Array],
        *,
        train: bool,
        key: jax.Array | None = None,
    ) -> tuple[Metrics, Any]:
        """Scores a batch.

        Args:
            params: of the network.
            model_state: passed through.
            batch: `audio` float32 `[batch, time]`, clean, full scale -1..1; `domain` int32
                `[batch]`, positions in `domains`; in training `augmented`, like `audio`: the
                sounds with a part detuned, which the encoder then reads, and with noise
                `decoder_input_noise`, int8 `[batch, time]`, to be added to the decoders' inputs.
            train: whether the encoder reads `augmented`.
            key: not used; nothing here is drawn at random.

        Returns:
            float32 `[batch]` arrays `loss` (nats a sample) and `bits_per_sample` of the
            reconstruction, and with a classifier `domain_loss` in nats and `domain_accuracy`, 0 or
            1; the model state.
        """
        latent = self._encode(params, mu_law.encode(batch["augmented" if train else "audio"]))
        metrics = self._of_reconstruction(params, batch, latent)
        if self.has_classifier:
            metrics |= self._of_domains(params, latent, batch["domain"])
        return metrics, model_state

    def _encode(self, params: Any, codes: jax.Array) -> jax.Array:
        return self.model.apply({"params": params}, self.model.to_signal(codes), method="encode")

    def _of_reconstruction(
        self, params: Any, batch: Mapping[str, jax.Array], latent: jax.Array
    ) -> Metrics:
        def nats(decoder: Any, past: jax.Array, codes: jax.Array, latent: jax.Array) -> jax.Array:
            signal = self.model.to_signal(past)
            logits = self.model.apply({"params": decoder}, signal, latent, method="decode")
            return self.model.distribution.nats(logits, codes).mean(axis=1)

        past = codes = mu_law.encode(batch["audio"])
        if "decoder_input_noise" in batch:
            past = mu_law.add(codes, batch["decoder_input_noise"])
        loss = translation.map_decoders(
            nats, params[DECODERS], past, codes, latent, platform=self.model.platform
        )
        return {"loss": loss, "bits_per_sample": loss / jnp.log(2.0)}

    def _of_domains(self, params: Any, latent: jax.Array, domain: jax.Array) -> Metrics:
        logits = self.model.apply({"params": params}, latent, method="classify")
        return {
            "domain_loss": optax.softmax_cross_entropy_with_integer_labels(logits, domain),
            "domain_accuracy": (logits.argmax(axis=-1) == domain).astype(jnp.float32),
        }

    def trivial_baselines(self, batches: Iterable[Mapping[str, np.ndarray]]) -> dict[str, float]:
        """Returns what `entropies` does, and the domain accuracy of guessing."""
        chance = {"chance_domain_accuracy": 1 / len(self.domains)} if self.has_classifier else {}
        return entropies(self.model.distribution, batches) | chance
