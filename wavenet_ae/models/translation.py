"""The translation network: one encoder of all domains, and a decoder of each."""

import functools
import operator
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jax.typing import DTypeLike

from wavenet_ae.audio import mu_law
from wavenet_ae.models.arithmetic import CPU, Arithmetic
from wavenet_ae.models.decoder import Conditioning, OutputInit, WaveNetDecoder
from wavenet_ae.models.distributions import MuLawClasses
from wavenet_ae.models.encoder import TemporalEncoder
from wavenet_ae.models.layers import Conv, torch_matrix

ENCODER, DECODERS, CLASSIFIER = "encoder", "decoders", "domain_classifier"
_HIDDEN_LAYERS = 3  # of the domain classifier


class DomainClassifier(nn.Module):
    """Names the domain that a latent comes from (Mor et al. 2019, section 3.2).

    Attributes:
        latent_size: channels of the latent.
        channels: of the hidden layers.
        num_domains: classes.
        arithmetic: the types of the computation.
    """

    latent_size: int = 64
    channels: int = 100
    num_domains: int = 6
    arithmetic: Arithmetic = Arithmetic()

    def setup(self):
        conv = functools.partial(Conv, kernel_init=torch_matrix, arithmetic=self.arithmetic)
        sizes = [self.latent_size] + [self.channels] * _HIDDEN_LAYERS
        self.hidden = [conv(size, self.channels) for size in sizes[:-1]]
        self.logits = conv(self.channels, self.num_domains)

    def __call__(self, latent: jax.Array) -> jax.Array:
        """Maps `[batch, num_frames, latent_size]` to float32 logits `[batch, num_domains]`."""
        x = jnp.moveaxis(latent, -1, 0)
        for layer in self.hidden:
            x = nn.elu(layer(x))
        return self.logits(x).mean(axis=-1).T


class TranslationNetwork(nn.Module):
    """Mor et al. 2019 (arXiv 1805.07848), section 3; the defaults are the released code's sizes.

    The module has one decoder. Parameters of a network with several (`init_params`) hold their
    weights in `decoders`, every leaf with a leading axis of domains; `with_decoder` takes one of
    them, for a sampler.

    Attributes:
        domains: the names of what each decoder sounds like.
        encoder_channels: of the encoder's layers.
        encoder_layers: residual layers of the encoder.
        encoder_dilation_cycle: layer i of the encoder has dilation 2 ** (i mod this).
        decoder_channels: of a decoder's residual stream.
        skip_channels: of a decoder's skip sum and head.
        decoder_layers: gated layers of a decoder.
        dilation_cycle: layer i of a decoder has dilation 2 ** (i mod this).
        embedding_size: channels of the latent.
        hop_length: samples per frame of the latent.
        classifier_channels: of the domain classifier's hidden layers.
        num_classes: values of a sample: 256 for 8-bit mu-law.
        output_init: see `WaveNetDecoder`.
        rematerialize: see `WaveNetDecoder`.
        dtype: see `WaveNetAutoencoder`, as for the next two.
        matmul_precision: of float32 products on accelerators.
        platform: of the devices.
    """

    domains: tuple[str, ...] = ("0", "1", "2", "3", "4", "5")
    encoder_channels: int = 128
    encoder_layers: int = 30
    encoder_dilation_cycle: int = 10
    decoder_channels: int = 128
    skip_channels: int = 128
    decoder_layers: int = 56
    dilation_cycle: int = 14
    embedding_size: int = 64
    hop_length: int = 800
    classifier_channels: int = 100
    num_classes: int = 256
    output_init: OutputInit = "authors"
    rematerialize: bool = False
    dtype: DTypeLike = jnp.float32
    matmul_precision: str | None = None
    platform: str | None = None

    @property
    def arithmetic(self) -> Arithmetic:
        """What the model computes in."""
        return Arithmetic.on(self.platform, self.dtype, self.matmul_precision)

    @property
    def distribution(self) -> MuLawClasses:
        """Of a sample."""
        return MuLawClasses()

    @property
    def context_samples(self) -> int:
        """How many past samples a prediction depends on: a decoder's receptive field."""
        return self.bind({}).decoder.context_samples

    def setup(self):
        self.encoder = TemporalEncoder(
            channels=self.encoder_channels,
            num_layers=self.encoder_layers,
            dilation_cycle=self.encoder_dilation_cycle,
            embedding_size=self.embedding_size,
            hop_length=self.hop_length,
            # The released code's layers; the paper's begin with a ReLU, as NSynth's do.
            activates_input=False,
            # Without that ReLU, and without normalisation, larger weights would grow the residual
            # stream by half in every layer.
            kernel_init=torch_matrix,
            arithmetic=self.arithmetic,
        )
        self.decoder = WaveNetDecoder(
            channels=self.decoder_channels,
            skip_channels=self.skip_channels,
            num_layers=self.decoder_layers,
            dilation_cycle=self.dilation_cycle,
            conditioning_size=self.embedding_size,
            num_outputs=self.num_classes,
            output_init=self.output_init,
            width=2,
            last_residual=True,
            kernel_init=torch_matrix,
            rematerialize=self.rematerialize,
            arithmetic=self.arithmetic,
        )
        self.domain_classifier = DomainClassifier(
            latent_size=self.embedding_size,
            channels=self.classifier_channels,
            num_domains=len(self.domains),
            arithmetic=self.arithmetic,
        )

    @staticmethod
    def to_signal(codes: jax.Array) -> jax.Array:
        """Returns mu-law codes as encoder and decoders read them: float32 within -0.5..0.5."""
        return mu_law.to_half_range(codes)

    def encode(self, signal: jax.Array, num_samples: jax.Array | None = None) -> jax.Array:
        """Returns the latent of `[batch, time]`: see `TemporalEncoder`."""
        return self.encoder(signal, num_samples)

    def classify(self, latent: jax.Array) -> jax.Array:
        """Returns the logits of each latent's domain: see `DomainClassifier`."""
        return self.domain_classifier(latent)

    def decode(self, signal: jax.Array, latent: jax.Array) -> jax.Array:
        """Predicts every sample of a signal by one decoder: see `WaveNetDecoder`."""
        return self.decoder(signal, latent)

    def condition(self, embedding: jax.Array, pitch: None = None) -> Conditioning:
        """Projects a latent `[batch, num_frames, embedding_size]` for one decoder's layers."""
        return self.decoder.condition(embedding)


def init_params(model: TranslationNetwork, key: jax.Array) -> dict[str, Any]:
    """Returns new parameters: `encoder`, `decoders` (stacked) and `domain_classifier`."""
    signal = jnp.zeros((1, model.hop_length))
    latent = jnp.zeros((1, 1, model.embedding_size))

    def part(key: jax.Array, name: str, *inputs: jax.Array, method: str) -> Any:
        return model.init(key, *inputs, method=method)["params"][name]

    of_encoder, of_decoders, of_classifier = jax.random.split(key, 3)
    return {
        ENCODER: part(of_encoder, "encoder", signal, method="encode"),
        DECODERS: jax.vmap(lambda key: part(key, "decoder", signal, latent, method="decode"))(
            jax.random.split(of_decoders, len(model.domains))
        ),
        CLASSIFIER: part(of_classifier, "domain_classifier", latent, method="classify"),
    }


def with_decoder(params: dict[str, Any], domain: int) -> dict[str, Any]:
    """Returns the parameters with one of the decoders alone, as `decoder`.

    Args:
        params: of a network, from `init_params` or a training.
        domain: the decoder's position in `domains`.
    """
    return {
        ENCODER: params[ENCODER],
        "decoder": jax.tree.map(lambda leaf: leaf[domain], params[DECODERS]),
    }


def map_decoders(
    function: Callable[..., jax.Array], decoders: Any, *rows: jax.Array, platform: str | None
) -> jax.Array:
    """Applies a function to every decoder and its own rows of a batch.

    Args:
        function: of the parameters of a network with this one decoder, and of its rows of each
            array; it returns an array `[rows, ...]`.
        decoders: the stacked parameters.
        *rows: arrays `[batch, ...]`, sorted by domain, with the same number of rows for each.
        platform: of the devices, as JAX names it. On CPUs the decoders follow each other, which
            takes up to a quarter less time; elsewhere their products are stacked, which keeps
            the program as small as that of one.

    Returns:
        `[batch, ...]`: the results in the order of the rows.
    """

    def one(decoder: Any, *own_rows: jax.Array) -> jax.Array:
        return function({"decoder": decoder}, *own_rows)

    num_domains = jax.tree.leaves(decoders)[0].shape[0]
    split = [_shared_by_devices(x.reshape(num_domains, -1, *x.shape[1:])) for x in rows]
    if platform == CPU:
        found = jnp.stack(
            [
                one(*jax.tree.map(operator.itemgetter(domain), (decoders, *split)))
                for domain in range(num_domains)
            ]
        )
    else:
        found = jax.vmap(one)(decoders, *split)
    found = _shared_by_devices(found)
    return found.reshape(-1, *found.shape[2:])


def _shared_by_devices(x: jax.Array) -> jax.Array:
    """Gives each device of the mesh as many rows of every domain, `[domains, rows, ...]`.

    Where the number of devices does not divide that of domains, or the other way round, XLA would
    let every device compute all rows.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or mesh.size == 1 or x.shape[1] % mesh.size:
        return x
    return jax.lax.with_sharding_constraint(x, PartitionSpec(None, mesh.axis_names))
