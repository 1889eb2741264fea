"""TensorFlow checkpoints of the authors' models (magenta/models/nsynth).

The names and shapes of the variables determine the model and its sizes. Two settings of the WaveNet
autoencoder leave no trace in them and are given: the length of the dilation cycle and the hop.
"""

import os
import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from wavenet_ae.importers import magenta_spectral, magenta_wavenet
from wavenet_ae.importers.variables import Variables, sentence
from wavenet_ae.system.errors import UserError

Weights = Literal["averaged", "raw"]

_AVERAGE = "/ExponentialMovingAverage"
# Variables of the training that are not part of a model.
_LEFT_OUT = re.compile(r"(.*/Adam(_1)?|(.*/)?beta[12]_power|global_step)")
# Averages themselves, of which training keeps no averages.
_STATISTICS = re.compile(r".*/moving_(mean|variance)")


class ImportedModel(NamedTuple):
    """What a checkpoint holds, under our names.

    Attributes:
        task: `wavenet`, or `spectral` for the baseline.
        model: fields of `WaveNetAutoencoder` or `SpectralAutoencoder`.
        params: its parameters, float32.
        model_state: the baseline's moving statistics, `{"batch_stats": ...}`; else empty.
        step: updates done.
        weights: `averaged`, or `raw` where that was asked for or there are no averages.
    """

    task: Literal["wavenet", "spectral"]
    model: dict[str, Any]
    params: dict[str, Any]
    model_state: dict[str, Any]
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
        dilation_cycle: of the WaveNet's encoder and decoder.
        hop_length: of the WaveNet's encoder, in samples.

    Raises:
        UserError: TensorFlow is not installed, there is no checkpoint or it is damaged, or its
            variables are not exactly those of one of the models.
    """
    prefix = find_prefix(path)
    arrays = _read(prefix)
    step = int(arrays.get("global_step", 0))
    chosen, weights = _choose(prefix, arrays, weights)
    variables = Variables(prefix, chosen)
    model: dict[str, Any]
    state: dict[str, Any] = {}
    if not chosen.keys().isdisjoint(magenta_wavenet.LANDMARKS):
        task = "wavenet"
        model = magenta_wavenet.read_sizes(variables)
        params = magenta_wavenet.arrange(variables, model)
        model |= {"dilation_cycle": dilation_cycle, "hop_length": hop_length}
    elif not chosen.keys().isdisjoint(magenta_spectral.LANDMARKS):
        task = "spectral"
        model = magenta_spectral.read_sizes(variables)
        params, state = magenta_spectral.arrange(variables, model)
    else:
        raise UserError(
            f"the checkpoint {prefix} is not one of the spectral autoencoder and is not one of the "
            f"WaveNet autoencoder: it has {', '.join(sorted(chosen)[:5])} and "
            f"{max(0, len(chosen) - 5)} more variables."
        )
    variables.check()
    return ImportedModel(task, model, params, state, step, weights)


def _choose(
    prefix: Path, arrays: dict[str, np.ndarray], weights: Weights
) -> tuple[dict[str, np.ndarray], Weights]:
    """Returns averaged or raw variables by their raw names, and which of both they are."""
    averages = {
        name.removesuffix(_AVERAGE): value
        for name, value in arrays.items()
        if name.endswith(_AVERAGE)
    }
    raw = {
        name: value
        for name, value in arrays.items()
        if not name.endswith(_AVERAGE) and not _LEFT_OUT.fullmatch(name)
    }
    if weights == "raw" or not averages:
        return raw, "raw"
    missing = sorted(
        name for name in raw.keys() - averages.keys() if not _STATISTICS.fullmatch(name)
    )
    if missing:
        raise UserError(sentence(prefix, "has no average of", missing) + " Use --weights=raw.")
    return {**raw, **averages}, "averaged"


def find_prefix(path: Path) -> Path:
    """Returns the prefix of the checkpoint that a prefix, `.index` file or folder names.

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
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # no messages about its build
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
