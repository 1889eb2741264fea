"""Speed of the baseline's transposed convolutions by both algorithms."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import jax

from wavenet_ae.benchmarks import interleaved
from wavenet_ae.benchmarks.training import model_of
from wavenet_ae.models import strided
from wavenet_ae.models.spectral_autoencoder import SpectralAutoencoder
from wavenet_ae.publish import document as doc

_ALGORITHMS = {"by_phases": strided.polyphase, "directly": strided.direct}


def measure(
    config: Mapping[str, Any], *, seconds: float = 5.0, repetitions: int = 3
) -> dict[str, Any]:
    """Measures the decoder's transposed convolutions, except the first (1 x 1), with gradients.

    Args:
        config: of a training of the baseline; its batch size and type are used.
        seconds: of each measurement.
        repetitions: of the whole round.

    Returns:
        What was measured, for JSON: `ms` has the repetitions' `median`, `lowest` and `highest` of
        `by_phases` and `directly` (see `models.strided`); `in_use` names the one that the model
        uses here.

    Raises:
        UserError: a setting is wrong, or the configuration is of another model.
    """
    interleaved.check_seconds(seconds)
    model = model_of(
        config, SpectralAutoencoder, "--task=transposed is for the baseline", "spectral_ae.py"
    )
    contestants = {
        name: _step(algorithm, model, config["batch_size"], config["seed"])
        for name, algorithm in _ALGORITHMS.items()
    }
    measured = interleaved.measure(
        {
            name: lambda step=step: interleaved.calls_per_s(step, seconds)
            for name, step in contestants.items()
        },
        repetitions,
    )
    return {
        "computation": model.arithmetic.describe(model.dtype),
        "batch_size": config["batch_size"],
        "ms": {name: spread.inverse().times(1000)._asdict() for name, spread in measured.items()},
        "in_use": "by_phases" if jax.default_backend() == "cpu" else "directly",
    }


def _step(
    algorithm: Callable[..., jax.Array], model: SpectralAutoencoder, batch_size: int, seed: int
) -> Callable[[], Any]:
    """Returns a call that computes all layers, each on noise of its own, and their gradients."""
    layers = model.bind({}).decoder.layers
    height = width = 1
    keys = iter(jax.random.split(jax.random.key(seed), 3 * len(layers)))

    def noise(*shape: int) -> jax.Array:
        return jax.random.normal(next(keys), shape).astype(model.arithmetic.operands)

    inputs = []
    for before, layer in itertools.pairwise(layers):
        x = noise(batch_size, height, width, before.features)
        kernel = noise(*layer.kernel_size, before.features, layer.features)
        height, width = height * layer.strides[0], width * layer.strides[1]
        inputs.append((x, kernel, noise(batch_size, height, width, layer.features)))
    strides = [layer.strides for layer in layers[1:]]
    precision = model.arithmetic.precision

    @jax.jit
    def forward_and_backward(inputs: Any) -> Any:
        results = []
        for (x, kernel, gradient), stride in zip(inputs, strides, strict=True):
            y, pull = jax.vjp(
                lambda x, kernel, s=stride: algorithm(x, kernel, s, precision), x, kernel
            )
            results.append((y, pull(gradient.astype(y.dtype))))
        return results

    jax.block_until_ready(forward_and_backward(inputs))
    return lambda: forward_and_backward(inputs)


def document(result: Mapping[str, Any]) -> doc.Document:
    """Returns what `measure` found."""
    rows = [
        [
            f"{name.replace('_', ' ')}{' (in use)' if name == result['in_use'] else ''}",
            *interleaved.Spread(**spread).cells(),
        ]
        for name, spread in result["ms"].items()
    ]
    title = (
        "Transposed convolutions of the baseline's decoder with their gradients, batches of "
        f"{result['batch_size']}, {result['computation']}"
    )
    return doc.Document(title, (doc.Table(["ms", *interleaved.HEADER], rows),))
