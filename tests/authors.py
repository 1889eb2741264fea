"""The authors' arrays, under our names."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wavenet_ae.models.autoencoder import WaveNetAutoencoder
from wavenet_ae.models.layers import matrix_of_kernel
from wavenet_ae.models.spectral_autoencoder import SpectralAutoencoder

FOLDER = Path(__file__).parent / "oracle"

# For compiling what is compared with the authors' gradients. Without optimisations, as `make test`
# compiles, thousands of terms are added one by one, and the rounding error dominates.
_UNOPTIMISED = "xla_backend_optimization_level=0" in os.environ.get("XLA_FLAGS", "")
ACCURATE_SUMS = {"xla_backend_optimization_level": 1} if _UNOPTIMISED else {}

MODEL = WaveNetAutoencoder(encoder_channels=16, decoder_channels=32, skip_channels=16)

SPECTRAL_MODEL = SpectralAutoencoder(
    narrow_channels=8,
    middle_channels=12,
    wide_channels=16,
    bottleneck_channels=24,
    embedding_size=20,
)


def load(name: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / name) as arrays:
        return dict(arrays)


def tree(leaf: Callable[[str], np.ndarray]) -> dict[str, Any]:
    """Arranges the authors' variables as the parameters of `MODEL`; the unused res_30 stays out."""

    def conv(name: str) -> dict[str, np.ndarray]:
        return {"kernel": leaf(f"{name}/W"), "bias": leaf(f"{name}/biases")}

    encoder = {"start": conv("ae_startconv"), "bottleneck": conv("ae_bottleneck")}
    decoder: dict[str, Any] = {
        "start": conv("startconv"),
        "skip_start": conv("skip_start"),
        "head": conv("out1"),
        "head_conditioning": conv("cond_map_out1"),
        "logits": conv("logits"),
    }
    for i in range(30):
        encoder[f"dilated_{i}"] = conv(f"ae_dilatedconv_{i + 1}")
        encoder[f"pointwise_{i}"] = conv(f"ae_res_{i + 1}")
        decoder[f"layers_{i}"] = {
            "dilated": conv(f"dilatedconv_{i + 1}"),
            "conditioning": conv(f"cond_map_{i + 1}"),
            "skip": conv(f"skip_{i + 1}"),
        }
        if i < 29:
            decoder[f"layers_{i}"]["residual"] = conv(f"res_{i + 1}")
    return {"encoder": encoder, "decoder": decoder}


def params(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Returns the parameters of `MODEL` from `var/…`."""

    def leaf(name: str) -> np.ndarray:
        array = arrays[f"var/{name}"]
        return matrix_of_kernel(array[0]) if name.endswith("/W") else array

    return tree(leaf)


def spectral_variables() -> dict[str, np.ndarray]:
    """Returns the variables of `SPECTRAL_MODEL` by the authors' names."""
    return load("spectral_variables.npz")


def spectral_layers() -> list[tuple[str, str, str]]:
    """Lists part, our name and the authors' name of every layer with batch normalisation."""
    numbers = [str(i) for i in range(9)]
    encoder = [*numbers[:8], "7_1", "8", "z"]
    decoder = [*numbers, "8_1"]
    return [
        (part, f"layers_{i}", f"{part}/{name}_Layer/{name}")
        for part, names in (("encoder", encoder), ("decoder", decoder))
        for i, name in enumerate(names)
    ]


def spectral_params(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Arranges whole variables as the parameters of `SPECTRAL_MODEL`."""
    params: dict[str, Any] = {"encoder": {}, "decoder": {}}
    for part, ours, theirs in spectral_layers():
        kernel = arrays[f"{theirs}/weights"]
        if part == "decoder":
            # TensorFlow's transposed convolution turns its kernel round: [h, w, out, in].
            kernel = np.flip(kernel, (0, 1)).transpose(0, 1, 3, 2)
        bias = arrays[f"{theirs}/BatchNorm/beta"]
        params[part][ours] = {"conv": {"kernel": kernel}, "norm": {"bias": bias}}
    output = "decoder/mag_Layer/mag"
    params["decoder"]["output"] = {
        "kernel": arrays[f"{output}/weights"],
        "bias": arrays[f"{output}/biases"],
    }
    table = arrays["decoder/PitchEmbedding/embedding_weights"]
    params["pitch_embedding"] = {"embedding": table}
    return params


def spectral_statistics(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Arranges moving statistics as the model state of `SPECTRAL_MODEL`."""
    statistics: dict[str, Any] = {"encoder": {}, "decoder": {}}
    for part, ours, theirs in spectral_layers():
        norm = f"{theirs}/BatchNorm/moving"
        mean, var = arrays[f"{norm}_mean"], arrays[f"{norm}_variance"]
        statistics[part][ours] = {"norm": {"mean": mean, "var": var}}
    return {"batch_stats": statistics}


def spectral_gradients(params: dict[str, Any]) -> dict[str, np.ndarray]:
    """Names gradients as the authors do: the inverse of `spectral_params`."""
    arrays = {"decoder/PitchEmbedding/embedding_weights": params["pitch_embedding"]["embedding"]}
    for part, ours, theirs in spectral_layers():
        kernel = np.asarray(params[part][ours]["conv"]["kernel"])
        if part == "decoder":
            kernel = np.flip(kernel.transpose(0, 1, 3, 2), (0, 1))
        arrays[f"{theirs}/weights"] = kernel
        arrays[f"{theirs}/BatchNorm/beta"] = params[part][ours]["norm"]["bias"]
    output = params["decoder"]["output"]
    arrays["decoder/mag_Layer/mag/weights"] = output["kernel"]
    arrays["decoder/mag_Layer/mag/biases"] = output["bias"]
    return {name: np.asarray(array) for name, array in arrays.items()}
