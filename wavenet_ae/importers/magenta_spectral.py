"""The variables of the authors' baseline (magenta/models/nsynth/baseline)."""

from typing import Any

import numpy as np

from wavenet_ae.audio.representations import NUM_CHANNELS
from wavenet_ae.importers.variables import Variables

_PITCH = "decoder/PitchEmbedding/embedding_weights"


def _kernel(part: str, layer: str) -> str:
    return f"{part}/{layer}_Layer/{layer}/weights"


# Names, widths of the kernels and output channels of the layers, in order.
_ENCODER_LAYERS = (
    ("0", 5, "narrow_channels"),
    ("1", 4, "narrow_channels"),
    ("2", 4, "narrow_channels"),
    ("3", 4, "middle_channels"),
    ("4", 4, "middle_channels"),
    ("5", 4, "middle_channels"),
    ("6", 4, "wide_channels"),
    ("7", 4, "wide_channels"),
    ("7_1", 4, "wide_channels"),
    ("8", 1, "bottleneck_channels"),
    ("z", 1, "embedding_size"),
)
_DECODER_LAYERS = (
    ("0", 1, "bottleneck_channels"),
    ("1", 4, "wide_channels"),
    ("2", 4, "wide_channels"),
    ("3", 4, "middle_channels"),
    ("4", 4, "middle_channels"),
    ("5", 4, "middle_channels"),
    ("6", 4, "narrow_channels"),
    ("7", 4, "narrow_channels"),
    ("8", 5, "narrow_channels"),
    ("8_1", 5, "narrow_channels"),
)


# Each gives a size of the model, or shows that a part exists.
LANDMARKS = (
    *(_kernel("encoder", layer) for layer in ("0", "3", "6", "8", "z")),
    _kernel("decoder", "0"),
)


def read_sizes(variables: Variables) -> dict[str, Any]:
    """Reads the fields of `SpectralAutoencoder` off the shapes of a few variables."""
    variables.require(LANDMARKS)
    narrow, middle, wide, bottleneck, embedding = (
        variables.length(name) for name in LANDMARKS[:-1]
    )
    sizes = {
        "narrow_channels": narrow,
        "middle_channels": middle,
        "wide_channels": wide,
        "bottleneck_channels": bottleneck,
        "embedding_size": embedding,
        "num_pitches": 0,
        "representation": "log_magnitude",
    }
    # The decoder's input beside the embedding is the pitch, even where its vectors are missing.
    beside = variables.length(LANDMARKS[-1]) - embedding
    if _PITCH in variables.arrays:
        sizes["num_pitches"] = variables.length(_PITCH, 0)
        sizes["pitch_embedding_size"] = variables.length(_PITCH)
    elif beside > 0:
        sizes |= {"num_pitches": 128, "pitch_embedding_size": beside}
    return sizes


def arrange(
    variables: Variables, model: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Returns the parameters and the model state of a `SpectralAutoencoder` of these sizes."""
    params: dict[str, Any] = {}
    statistics: dict[str, Any] = {}

    def read(part: str, layers: tuple[tuple[str, int, str], ...], in_channels: int) -> None:
        params[part], statistics[part] = {}, {}
        for i, (name, width, size) in enumerate(layers):
            out_channels = model[size]
            kernel = _take_kernel(variables, part, name, width, (in_channels, out_channels))
            bias, mean, variance = (
                variables.take(f"{part}/{name}_Layer/{name}/BatchNorm/{which}", (out_channels,))
                for which in ("beta", "moving_mean", "moving_variance")
            )
            params[part][f"layers_{i}"] = {"conv": {"kernel": kernel}, "norm": {"bias": bias}}
            statistics[part][f"layers_{i}"] = {"norm": {"mean": mean, "var": variance}}
            in_channels = out_channels

    pitch = model["pitch_embedding_size"] if model["num_pitches"] else 0
    # Of the authors' representations only the log magnitude, which they published, has a sigmoid
    # after all channels; with more channels the kernels have the wrong shape.
    channels = NUM_CHANNELS[model["representation"]]
    read("encoder", _ENCODER_LAYERS, channels)
    read("decoder", _DECODER_LAYERS, model["embedding_size"] + pitch)
    params["decoder"]["output"] = {
        "kernel": variables.take(
            _kernel("decoder", "mag"), (1, 1, model["narrow_channels"], channels)
        ),
        "bias": variables.take("decoder/mag_Layer/mag/biases", (channels,)),
    }
    if pitch:
        table = variables.take(_PITCH, (model["num_pitches"], pitch))
        params["pitch_embedding"] = {"embedding": table}
    return params, {"batch_stats": statistics}


def _take_kernel(
    variables: Variables, part: str, layer: str, width: int, ends: tuple[int, int]
) -> np.ndarray:
    """Returns a kernel as `[frequency, time, in, out]`."""
    name = _kernel(part, layer)
    if part == "encoder":
        return variables.take(name, (width, width, *ends))
    # TensorFlow keeps the kernel of the convolution that the transposed one is the gradient of:
    # its channels are the other way round, and so are its taps.
    return variables.take(name, (width, width, *reversed(ends)))[::-1, ::-1].swapaxes(2, 3)
