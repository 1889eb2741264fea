"""The variables of the authors' WaveNet autoencoder (magenta/models/nsynth/wavenet)."""

import re
from typing import Any

from wavenet_ae.importers.variables import Variables
from wavenet_ae.models.layers import matrix_of_kernel

# Each gives a size of the model, or shows that a part exists.
LANDMARKS = ("ae_startconv/W", "ae_bottleneck/W", "startconv/W", "skip_start/W", "logits/W")

_LAYER = re.compile(r"(ae_dilatedconv|ae_res|dilatedconv|cond_map|res|skip)_(\d+)/(W|biases)")


def read_sizes(variables: Variables) -> dict[str, int]:
    """Reads the fields of `WaveNetAutoencoder` off the shapes of a few variables."""
    variables.require(LANDMARKS)

    def layers(kind: str) -> int:
        matches = map(_LAYER.fullmatch, variables.arrays)
        return max((int(m[2]) for m in matches if m and m[1] == kind), default=0)

    return {
        "encoder_channels": variables.length("ae_startconv/W"),
        "encoder_layers": layers("ae_dilatedconv"),
        "embedding_size": variables.length("ae_bottleneck/W"),
        "decoder_channels": variables.length("startconv/W"),
        "decoder_layers": layers("dilatedconv"),
        "skip_channels": variables.length("skip_start/W"),
        "num_classes": variables.length("logits/W"),
    }


def arrange(variables: Variables, model: dict[str, int]) -> dict[str, Any]:
    """Returns the parameters of a `WaveNetAutoencoder` of these sizes."""

    def conv(name: str, in_channels: int, out_channels: int, width: int = 1) -> dict[str, Any]:
        kernel = variables.take(f"{name}/W", (1, width, in_channels, out_channels))
        matrix = matrix_of_kernel(kernel[0])
        return {"kernel": matrix, "bias": variables.take(f"{name}/biases", (out_channels,))}

    # The residual projection after the last layer reaches no output and has no place here.
    last = f"res_{model['decoder_layers']}"
    variables.skip(f"{last}/W", f"{last}/biases")

    channels, embedding = model["encoder_channels"], model["embedding_size"]
    encoder = {"start": conv("ae_startconv", 1, channels, 3)}
    for i in range(model["encoder_layers"]):
        encoder[f"dilated_{i}"] = conv(f"ae_dilatedconv_{i + 1}", channels, channels, 3)
        encoder[f"pointwise_{i}"] = conv(f"ae_res_{i + 1}", channels, channels)
    encoder["bottleneck"] = conv("ae_bottleneck", channels, embedding)

    channels, skip = model["decoder_channels"], model["skip_channels"]
    decoder: dict[str, Any] = {
        "start": conv("startconv", 1, channels, 3),
        "skip_start": conv("skip_start", channels, skip),
        "head": conv("out1", skip, skip),
        "head_conditioning": conv("cond_map_out1", embedding, skip),
        "logits": conv("logits", skip, model["num_classes"]),
    }
    for i in range(model["decoder_layers"]):
        layer = {
            "dilated": conv(f"dilatedconv_{i + 1}", channels, 2 * channels, 3),
            "conditioning": conv(f"cond_map_{i + 1}", embedding, 2 * channels),
            "skip": conv(f"skip_{i + 1}", channels, skip),
        }
        if i + 1 < model["decoder_layers"]:
            layer["residual"] = conv(f"res_{i + 1}", channels, channels)
        decoder[f"layers_{i}"] = layer
    return {"encoder": encoder, "decoder": decoder}
