"""TensorFlow checkpoints of the authors' WaveNet autoencoder (magenta/models/nsynth/wavenet).

The names and shapes of the variables tell the model and its sizes. Two settings leave no trace in
them and are given: the length of the dilation cycle and the hop.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from wavenet_ae.errors import UserError

Weights = Literal["averaged", "raw"]

_AVERAGE = "/ExponentialMovingAverage"
# What training left in the checkpoint and a model has no place for.
_LEFT_OUT = re.compile(r"(.*/Adam(_1)?|beta[12]_power|global_step)")
_LAYER = re.compile(r"(ae_dilatedconv|ae_res|dilatedconv|cond_map|res|skip)_(\d+)/(W|biases)")


class ImportedModel(NamedTuple):
    """What a checkpoint holds, under our names.

    Attributes:
        model: fields of `WaveNetAutoencoder`.
        params: its parameters, float32.
        step: updates done.
        weights: `averaged`, or `raw` where that was asked for or there are no averages.
    """

    model: dict[str, Any]
    params: dict[str, Any]
    step: int
    weights: Weights


def import_checkpoint(
    path: Path, *, weights: Weights = "averaged", dilation_cycle: int = 10, hop_length: int = 512
) -> ImportedModel:
    """Reads a checkpoint.

    Args:
        path: the checkpoint's prefix (`model.ckpt-200000`), its `.index` file, or a folder, of
            which the newest checkpoint is taken.
        weights: the moving averages where there are some, or the raw weights.
        dilation_cycle: of encoder and decoder.
        hop_length: of the encoder, in samples.

    Raises:
        UserError: TensorFlow is not installed, there is no checkpoint or it is damaged, or its
            variables are not exactly those of the model.
    """
    prefix = find_prefix(path)
    variables = _read(prefix)
    step = int(variables.get("global_step", 0))
    averages = {
        name.removesuffix(_AVERAGE): value
        for name, value in variables.items()
        if name.endswith(_AVERAGE)
    }
    raw = {
        name: value
        for name, value in variables.items()
        if not name.endswith(_AVERAGE) and not _LEFT_OUT.fullmatch(name)
    }
    if weights == "averaged" and averages:
        chosen = {**raw, **averages}
        missing = sorted(raw.keys() - averages.keys())
        if missing:
            raise UserError(_list(prefix, "has no average of", missing) + " Use --weights=raw.")
    else:
        chosen, weights = raw, "raw"
    model = _read_sizes(prefix, chosen) | {
        "dilation_cycle": dilation_cycle,
        "hop_length": hop_length,
    }
    return ImportedModel(model, _rename(prefix, chosen, model), step, weights)


def find_prefix(path: Path) -> Path:
    """Returns the prefix of the checkpoint that a prefix, `.index` file or folder stands for.

    Raises:
        UserError: there is no checkpoint.
    """
    if path.is_dir():
        found = {p.with_suffix(""): p for p in path.glob("*.index")}
        if not found:
            raise UserError(f"{path} holds no TensorFlow checkpoint (no .index file).")

        def newness(prefix: Path) -> tuple[int, float]:
            number = re.search(r"-(\d+)$", prefix.name)
            return int(number[1]) if number else -1, found[prefix].stat().st_mtime

        return max(found, key=newness)
    prefix = path.with_name(path.name.removesuffix(".index"))
    if not prefix.with_name(f"{prefix.name}.index").exists():
        raise UserError(
            f"there is no TensorFlow checkpoint {prefix}: its files are called "
            f"{prefix.name}.index and {prefix.name}.data-00000-of-00001."
        )
    return prefix


def _read(prefix: Path) -> dict[str, np.ndarray]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # it tells of its own build otherwise
    try:
        import tensorflow as tf
    except ImportError as error:
        raise UserError(
            "TensorFlow checkpoints need TensorFlow: pip install -e '.[nsynth]'."
        ) from error
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        names = reader.get_variable_to_shape_map()
        return {name: reader.get_tensor(name) for name in names}
    except (tf.errors.OpError, IndexError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise UserError(f"the checkpoint {prefix} cannot be read: {reason}") from error


def _read_sizes(prefix: Path, variables: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Reads the model's sizes off the shapes of a few variables."""
    needed = ("ae_startconv/W", "ae_bottleneck/W", "startconv/W", "skip_start/W", "logits/W")
    missing = [name for name in needed if name not in variables]
    if len(missing) == len(needed):
        raise UserError(
            f"the checkpoint {prefix} is not one of the WaveNet autoencoder: it has "
            f"{', '.join(sorted(variables)[:5])} and {max(0, len(variables) - 5)} more variables."
        )
    if missing:
        raise UserError(_list(prefix, "lacks", missing))

    def out_channels(name: str) -> int:
        return int(variables[name].shape[-1])

    def layers(kind: str) -> int:
        numbers = [int(m[2]) for m in map(_LAYER.fullmatch, variables) if m and m[1] == kind]
        return max(numbers, default=0)

    return {
        "encoder_channels": out_channels("ae_startconv/W"),
        "encoder_layers": layers("ae_dilatedconv"),
        "embedding_size": out_channels("ae_bottleneck/W"),
        "decoder_channels": out_channels("startconv/W"),
        "decoder_layers": layers("dilatedconv"),
        "skip_channels": out_channels("skip_start/W"),
        "num_classes": out_channels("logits/W"),
    }


def _rename(
    prefix: Path, variables: Mapping[str, np.ndarray], model: Mapping[str, int]
) -> dict[str, Any]:
    """Arranges the variables as parameters; every one is used, or named in an error."""
    missing: list[str] = []
    wrong: list[str] = []
    # The residual projection after the last layer reaches no output and has no place here.
    last = f"res_{model['decoder_layers']}"
    used = {f"{last}/W", f"{last}/biases"}

    def take(name: str, shape: tuple[int, ...]) -> np.ndarray | None:
        used.add(name)
        if name not in variables:
            missing.append(name)
            return None
        if variables[name].shape != shape:
            wrong.append(f"{name} {list(variables[name].shape)} instead of {list(shape)}")
            return None
        return variables[name].astype(np.float32)

    def conv(name: str, in_channels: int, out_channels: int, width: int = 1) -> dict[str, Any]:
        kernel = take(f"{name}/W", (1, width, in_channels, out_channels))
        bias = take(f"{name}/biases", (out_channels,))
        return {"kernel": None if kernel is None else kernel[0], "bias": bias}

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

    problems = [
        _list(prefix, verb, names)
        for verb, names in (
            ("lacks", missing),
            ("has wrongly shaped", wrong),
            ("has more than the model:", sorted(variables.keys() - used)),
        )
        if names
    ]
    if problems:
        raise UserError(" ".join(problems))
    return {"encoder": encoder, "decoder": decoder}


def _list(prefix: Path, verb: str, names: list[str]) -> str:
    return f"The checkpoint {prefix} {verb} {', '.join(names)}."
