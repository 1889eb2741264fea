"""The authors' arrays, under our names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from wavenet_ae.models.autoencoder import WaveNetAutoencoder

FOLDER = Path(__file__).parent / "oracle"

MODEL = WaveNetAutoencoder(encoder_channels=16, decoder_channels=32, skip_channels=16)


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
        return array[0] if name.endswith("/W") else array

    return tree(leaf)
