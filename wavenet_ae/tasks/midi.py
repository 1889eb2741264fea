"""The task of the MIDI-conditioned WaveNet: predict every sample from the past and the notes."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from wavenet_ae.data import piano_roll
from wavenet_ae.models.midi_wavenet import MidiWaveNet
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.settings import TRUTH, Rule, Rules, choice, whole
from wavenet_ae.tasks.model_rules import ARITHMETIC, DILATION_CYCLE, LAYERS, SIZE, exactly
from wavenet_ae.tasks.updates import Reads, Update
from wavenet_ae.tasks.wavenet import entropies

_LONGEST_CROP = 2**20  # samples: a minute
_MODEL_RULES = {
    "decoder_channels": SIZE,
    "skip_channels": SIZE,
    "decoder_layers": LAYERS,
    "dilation_cycle": DILATION_CYCLE,
    "width": whole(2, 16),
    "context_channels": SIZE,
    # At most half a minute of notes to each side.
    "context_layers": whole(1, 64),
    "context_dilation_cycle": whole(1, 10),
    "context_width": Rule("1, 3 or 5", lambda x: type(x) is int and x in (1, 3, 5)),
    "num_keys": exactly(piano_roll.NUM_KEYS, "a piano's keys"),
    "hop_length": exactly(piano_roll.HOP_LENGTH, "the samples of a frame of the piano roll"),
    "output": choice("mu_law", "logistics"),
    "num_logistics": whole(1, 256),
    "output_init": choice("authors", "zeros"),
    "rematerialize": TRUTH,
    **ARITHMETIC,
}


@dataclasses.dataclass(frozen=True)
class MidiTask:
    """Hawthorne et al. 2019: the mean negative log-likelihood of all samples, in nats.

    Attributes:
        model: the WaveNet.
        crop_samples: length of the crops, a multiple of the model's hop.
    """

    model_class: ClassVar[type] = MidiWaveNet
    metrics: ClassVar[tuple[str, ...]] = ("loss", "bits_per_sample")
    rules: ClassVar[Rules] = {"model": _MODEL_RULES, "crop_samples": whole(1, _LONGEST_CROP)}
    reads: ClassVar[Reads] = "performances"
    num_pitches: ClassVar[int] = 0
    batch_multiple: ClassVar[int] = 1
    may_differ: ClassVar[tuple[str, ...]] = ()

    model: MidiWaveNet
    crop_samples: int

    def __post_init__(self):
        hop = self.model.hop_length
        if self.crop_samples % hop:
            raise UserError(
                f"config.crop_samples={self.crop_samples} must be a multiple of the hop of {hop} "
                "samples."
            )

    @property
    def roll_margin(self) -> int:
        """Frames of the piano roll before and after the crop, which the context stack reads."""
        return self.model.roll_margin

    @property
    def updates(self) -> tuple[Update, ...]:
        """One update of all parameters, by the gradient of `loss`."""
        return (Update(self.loss),)

    def batch_arrays(
        self, batch_size: int, dataset: Mapping[str, Any]
    ) -> dict[str, tuple[tuple[int, ...], type]]:
        """Describes a batch: see `loss`."""
        num_frames = self.crop_samples // self.model.hop_length + 2 * self.roll_margin
        arrays = {
            "audio": ((batch_size, self.crop_samples), np.float32),
            "roll": ((batch_size, num_frames, self.model.num_keys), np.float32),
        }
        if dataset["decoder_input_noise"]:
            arrays["decoder_input_noise"] = ((batch_size, self.crop_samples), np.int8)
        return arrays

    def init(self, key: jax.Array) -> tuple[Any, Any]:
        """Returns new parameters, and an empty model state."""
        signal = jnp.zeros((1, self.model.hop_length))
        roll = jnp.zeros((1, 1 + 2 * self.roll_margin, self.model.num_keys))
        return self.model.init(key, signal, roll)["params"], {}

    def start_params(self, params: Any, theirs: Any) -> Any:
        """Returns the other run's parameters: all of them."""
        return theirs

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
            batch: `audio` float32 `[batch, time]`, full scale -1..1; `roll` float32
                `[batch, time / hop_length + 2 * roll_margin, num_keys]`, 0..1; for teacher forcing
                with noise, `decoder_input_noise` int8 `[batch, time]`, steps of mu-law codes.
            train: whether to leave out `roll_gap_bits`.
            key: not used; nothing here is drawn at random.

        Returns:
            float32 `[batch]` arrays `loss` (nats a sample) and `bits_per_sample`, and in
            evaluation `roll_gap_bits`: how many bits a sample more it takes with the notes of the
            batch's next row. It is 0 for a model that is deaf to them (and in a batch of one row),
            which the loss itself does not show, since the true past tells most. The model state.
        """
        distribution = self.model.distribution
        past = samples = distribution.quantize(batch["audio"])
        if "decoder_input_noise" in batch:
            past = distribution.add_noise(samples, batch["decoder_input_noise"])
        signal = self.model.to_signal(past)
        embedding = self.model.apply({"params": params}, batch["roll"], method="embed")

        def nats(embedding: jax.Array) -> jax.Array:
            outputs = self.model.apply({"params": params}, signal, embedding, method="decode")
            return distribution.nats(outputs, samples).mean(axis=1)

        loss = nats(embedding)
        metrics = {"loss": loss, "bits_per_sample": loss / jnp.log(2.0)}
        if not train:
            others = nats(jnp.roll(embedding, -1, axis=0))
            metrics["roll_gap_bits"] = (others - loss) / jnp.log(2.0)
        return metrics, model_state

    def trivial_baselines(self, batches: Iterable[Mapping[str, np.ndarray]]) -> dict[str, float]:
        """Returns what `entropies` does."""
        return entropies(self.model.distribution, batches)
