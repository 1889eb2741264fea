"""Trained models: read from a run or from an exported folder, and exported."""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import safetensors
import safetensors.numpy
from jax.typing import DTypeLike

import wavenet_ae
from wavenet_ae import pretrained, tasks
from wavenet_ae.system import atomic_file, downloads
from wavenet_ae.system.errors import UserError, write_error
from wavenet_ae.system.settings import is_url, local_path
from wavenet_ae.training import checkpoint, remote
from wavenet_ae.training.older_layouts import as_saved, as_today, config_as_today, named_leaves

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
_CARD_FILE = "README.md"
_METADATA = "wavenet_ae"  # of the weights' file
_DATA_DIR = "~/tensorflow_datasets"  # TFDS's own default
# What every configuration holds, by its path.
_KINDS = {
    (): dict,
    ("task",): str,
    ("model",): dict,
    ("dataset",): dict,
    ("dataset", "name"): str,
    ("dataset", "data_dir"): str,
    ("optimizer",): dict,
}
# What a user is told, by task.
_MODELS = {
    "wavenet": "a WaveNet autoencoder",
    "spectral": "a spectral autoencoder",
    "classifier": "a classifier",
    "translation": "a translation network",
    "midi": "a WaveNet that is conditioned on notes",
}
_CODEC_USE = """\
    wavenet-ae encode SOUNDS --checkpoint=THIS_FOLDER --output=EMBEDDINGS
    wavenet-ae generate SOUNDS --checkpoint=THIS_FOLDER --output=RECONSTRUCTED
"""
_TRANSLATION_USE = """\
    wavenet-ae translate SOUNDS --checkpoint=THIS_FOLDER --to=all --output=TRANSLATED

Decoders of other domains, for this encoder:

    python experiments/train.py --config=experiments/configs/translation.py \\
        --config.train=decoder --config.init_from=THIS_FOLDER --workdir=NEW_DOMAINS
"""
_MIDI_USE = """\
    wavenet-ae perform MIDI_FILES --checkpoint=THIS_FOLDER --output=PERFORMED
    wavenet-ae play --live --checkpoint=THIS_FOLDER
"""
_CLASSIFIER_USE = """\
    python experiments/evaluate.py --config=experiments/configs/table1.py --workdir=RESULTS \\
        --config.classifier=THIS_FOLDER --config.wavenet=RUN --config.spectral=RUN
"""


class TrainedModel(NamedTuple):
    """A trained model, ready to use.

    Attributes:
        folder: that it was read from.
        name: its URL, or that folder, for messages and results.
        config: the run's resolved configuration.
        task: with the model.
        params: the averaged parameters.
        model_state: moving statistics, or an empty dict.
        step: updates done.
        fingerprint: hexadecimal digest of the model's architecture and weights.
    """

    folder: Path
    name: str
    config: dict[str, Any]
    task: tasks.Task
    params: Any
    model_state: Any
    step: int
    fingerprint: str

    @property
    def num_parameters(self) -> int:
        """The number of parameters, without moving statistics."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.params))

    def setting(self, name: str) -> Any:
        """Returns a setting of the run, or raises a UserError if its configuration lacks it."""
        if self.config.get(name) is None:
            raise UserError(f"{self.folder / CONFIG_FILE} lacks {name}: restore it from a copy.")
        return self.config[name]

    def describe(self) -> dict[str, Any]:
        """Returns how results describe the model that they were made with."""
        return {
            "folder": self.name,
            "task": self.config["task"],
            "step": self.step,
            "fingerprint": self.fingerprint,
            "parameters": self.num_parameters,
            "num_pitches": self.task.num_pitches,
            "dataset": self.config["dataset"]["name"],
            "data_dir": self.config["dataset"]["data_dir"],
        }


def read_config(workdir: Path) -> dict[str, Any]:
    """Reads a run's resolved configuration, with the settings added since.

    Raises:
        UserError: the folder holds no run, or its configuration is damaged.
    """
    if workdir.is_file():
        folder = workdir.parent if workdir.name in (CONFIG_FILE, WEIGHTS_FILE) else "its folder"
        raise UserError(f"{workdir} is a file: name {folder}, which holds the complete model.")
    path = workdir / CONFIG_FILE
    try:
        config = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise UserError(
            f"{workdir} is not a training run (there is no {CONFIG_FILE} in it): name a folder "
            "that experiments/train.py, wavenet-ae import-magenta or wavenet-ae export wrote."
        ) from error
    except (OSError, RecursionError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): restore it from a copy.") from error
    if isinstance(config, dict):
        config = config_as_today(config)
    for names, kind in _KINDS.items():
        value = config
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        if not isinstance(value, kind):
            missing = names and value is None
            what = f"lacks {'.'.join(names)}" if missing else "is of another form"
            raise UserError(
                f"{path} {what}: restore it from a copy, or name a folder that this package wrote."
            )
    return config


def create_task(folder: Path, config: Mapping[str, Any]) -> tuple[tasks.Task, Any, Any]:
    """Returns the task of a folder's configuration, and its parameters' and model state's shapes.

    Raises:
        UserError: the configuration does not describe a model.
    """
    path = folder / CONFIG_FILE
    try:
        task = tasks.create(config)
        return task, *jax.eval_shape(task.init, jax.random.key(0))
    except Exception as error:  # impossible values make Flax and JAX raise almost anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{path} does not describe a model of this version: {reason}") from error


def architecture(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of the model, except those of its computation and initialisation."""
    model = tasks.create(config).model
    left_out = ("batch_norm_decay", "dtype", "matmul_precision", "name", "output_init", "parent")
    left_out += ("platform", "rematerialize")
    names = [field.name for field in dataclasses.fields(model)]
    return {name: getattr(model, name) for name in names if name not in left_out}


def find(source: str | Path, task: str | None = None) -> Path:
    """Returns the folder of what a --checkpoint names; what has a URL is fetched.

    Raises:
        UserError: there is no such model.
    """
    if is_url(source):
        return remote.fetch(str(source))
    return pretrained.find(local_path("the model's folder", source), task)


def load_trained(source: str | Path, task: str | None = None) -> TrainedModel:
    """Reads averaged weights.

    Args:
        source: a run, of which the newest checkpoint is taken; one of a run's checkpoints
            (`RUN/checkpoints/STEP`); an exported folder; or `pretrained` for the weights that come
            with the package (see `pretrained.find`); or a URL (see `remote`).
        task: the name of a task, such as `wavenet`, if it must be a model of this one.

    Raises:
        UserError: the folder holds no run, or no weights yet, or weights of another model.
    """
    folder, step = find(source, task), None
    if folder.parent.name == checkpoint.FOLDER and folder.name.isdigit():
        folder, step = folder.parent.parent, int(folder.name)
    with _damage_forgotten(source, folder):
        config = read_config(folder)
    if task not in (None, config["task"]):
        theirs, wanted = (_MODELS.get(name, f"a {name} model") for name in (config["task"], task))
        raise UserError(f"{folder} holds {theirs}: name a run of {wanted}.")
    with _damage_forgotten(source, folder):
        model_task, params, model_state = create_task(folder, config)
        if (folder / WEIGHTS_FILE).exists():
            params, model_state, step = _read_safetensors(folder, params, model_state)
        elif checkpoint.has_checkpoint(folder):
            params, model_state, step = checkpoint.load_weights(folder, params, model_state, step)
        else:
            raise UserError(f"the run {folder} has no checkpoint yet: let it train for longer.")
    fingerprint = _fingerprint(config, params, model_state)
    name = str(source if is_url(source) else folder)
    return TrainedModel(folder, name, config, model_task, params, model_state, step, fingerprint)


@contextlib.contextmanager
def _damage_forgotten(source: str | Path, folder: Path) -> Iterator[None]:
    """Deletes a fetched copy that cannot be read, so that the next call fetches it again."""
    try:
        yield
    except UserError:
        if is_url(source):
            downloads.forget(folder)
        raise


def save_imported(
    workdir: Path, config: Mapping[str, Any], params: Any, model_state: Any, step: int
) -> TrainedModel:
    """Creates a workdir of weights from elsewhere, completely or not at all.

    Args:
        workdir: must not exist yet.
        config: resolved, of the model.
        params: its parameters.
        model_state: moving statistics, or an empty dict.
        step: updates done.

    Raises:
        UserError: the folder exists already, or cannot be written or hold checkpoints.
    """
    checkpoint.check_path(workdir, writing=True)
    if workdir.exists():
        raise UserError(f"{workdir} exists already: name a new --workdir.")
    temporary = workdir.with_name(f".{workdir.name}.tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        (temporary / CONFIG_FILE).write_text(_to_json(config))
        checkpoint.save_weights(temporary, params, model_state, step)
        trained = load_trained(temporary)
        temporary.rename(workdir)
    except OSError as error:
        raise write_error(workdir, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return trained._replace(folder=workdir, name=str(workdir))


def _to_json(config: Mapping[str, Any]) -> str:
    return json.dumps(config, indent=2, sort_keys=True) + "\n"


def export(trained: TrainedModel, output: Path, dtype: DTypeLike = np.float32) -> None:
    """Writes the weights in the layout of the Hugging Face hub.

    Args:
        trained: the model.
        output: the folder: `model.safetensors`, `config.json` (without the paths of this machine)
            and a model card.
        dtype: of the kernels; biases and moving statistics, which are few, stay float32.

    Raises:
        UserError: the folder cannot be written, or holds one of these files with another content.
    """
    tree = {"params": trained.params, "model_state": trained.model_state}
    tensors = {
        # Biases of stacked decoders have two axes.
        name: np.asarray(leaf, None if np.ndim(leaf) < 2 or name.endswith(".bias") else dtype)
        for name, leaf in named_leaves(tree)
    }
    leaves = [np.asarray(tensor, np.float32) for tensor in tensors.values()]
    rounded = jax.tree.unflatten(jax.tree.structure(tree), leaves)
    trained = trained._replace(
        config=_without_paths(trained.config),
        fingerprint=_fingerprint(trained.config, rounded["params"], rounded["model_state"]),
    )
    about = {"step": trained.step, "sha256": _checksum(tensors, trained.step)}
    # A single entry: safetensors writes several in no fixed order.
    metadata = {_METADATA: json.dumps(about)}
    contents = {
        WEIGHTS_FILE: safetensors.numpy.save(tensors, metadata),
        _CARD_FILE: _model_card(trained, tensors, np.dtype(dtype).name).encode(),
        # Last: without it the folder is not a model.
        CONFIG_FILE: _to_json(trained.config).encode(),
    }
    _check_free(output, contents)
    for name, content in contents.items():
        with atomic_file.replacing(output / name) as temporary:
            temporary.write_bytes(content)


def _check_free(output: Path, contents: Mapping[str, bytes]) -> None:
    """Raises a UserError if an export would replace a file with another content."""
    if checkpoint.has_checkpoint(output):
        raise UserError(f"{output} is a training run: use another --output.")
    for name, content in contents.items():
        path = output / name
        if os.path.lexists(path) and not (path.is_file() and _is_same(path, content)):
            raise UserError(
                f"{path} exists, and is not what this export would write: use another --output, or "
                "move it away."
            )


def _is_same(path: Path, content: bytes) -> bool:
    found = path.read_bytes()
    if found == content or path.name != CONFIG_FILE:
        return found == content
    try:
        return config_as_today(json.loads(found)) == json.loads(content)  # of an older version
    except (ValueError, TypeError, AttributeError):
        return False


def _checksum(tensors: Mapping[str, np.ndarray], step: int) -> str:
    """Returns a checksum of stored weights; safetensors itself does not detect damage."""
    digest = hashlib.sha256(str(step).encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        digest.update(np.ascontiguousarray(tensors[name]).tobytes())
    return digest.hexdigest()


def _without_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the configuration without the paths of this machine."""
    dataset = {**config["dataset"], "data_dir": _DATA_DIR}
    return {**config, "dataset": dataset, "init_from": None}


def _read_safetensors(folder: Path, params: Any, model_state: Any) -> tuple[Any, Any, int]:
    path = folder / WEIGHTS_FILE
    shapes = {"params": params, "model_state": model_state}
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
        # Older exports have only the step.
        about = json.loads(metadata.get(_METADATA, "{}")) or {"step": metadata.get("step", 0)}
        step = int(about["step"])
        if "sha256" in about and about["sha256"] != _checksum(tensors, step):
            raise ValueError("its checksum differs")
    except Exception as error:  # damaged files make safetensors and NumPy raise almost anything
        raise UserError(f"{path} cannot be read ({error}): fetch it again.") from error
    found = {name: tensor.shape for name, tensor in tensors.items()}
    expected = {name: leaf.shape for name, leaf in named_leaves(as_saved(shapes, found))}
    if found != expected:
        wrong = sorted(set(expected.items()) ^ set(found.items()))
        names = ", ".join(sorted({name for name, _ in wrong})[:5])
        raise UserError(f"{path} does not fit {folder / CONFIG_FILE}: {names} differ.")
    leaves = [np.asarray(tensors[name], np.float32) for name, _ in named_leaves(shapes)]
    tree = as_today(jax.tree.unflatten(jax.tree.structure(shapes), leaves), shapes)
    return tree["params"], tree["model_state"], step


def _fingerprint(config: Mapping[str, Any], params: Any, model_state: Any) -> str:
    digest = hashlib.sha256(json.dumps(architecture(config), sort_keys=True).encode())
    for name, leaf in named_leaves({"params": params, "model_state": model_state}):
        digest.update(name.encode())
        # Matrices as the kernels of older versions, whose fingerprints stay valid.
        is_matrix = name.endswith(".kernel") and leaf.ndim == 2
        digest.update(np.asarray(leaf.T if is_matrix else leaf).tobytes())
    return digest.hexdigest()[:16]


def _model_card(trained: TrainedModel, tensors: Mapping[str, np.ndarray], dtype: str) -> str:
    use, tag = _CODEC_USE, "audio-to-audio"
    paper = "[Engel et al. 2017](https://arxiv.org/abs/1704.01279)"
    if trained.config["task"] == "classifier":
        use, tag = _CLASSIFIER_USE, "audio-classification"
    elif trained.config["task"] == "translation":
        use, paper = _TRANSLATION_USE, "[Mor et al. 2019](https://arxiv.org/abs/1805.07848)"
    elif trained.config["task"] == "midi":
        use, paper = _MIDI_USE, "[Hawthorne et al. 2019](https://arxiv.org/abs/1810.12247)"
    config, crop = trained.config, trained.task.crop_samples
    batch_size = trained.setting("batch_size")
    settings = "\n".join(f"| {k} | {v} |" for k, v in sorted(architecture(config).items()))
    return f"""---
library_name: wavenet_ae
license: apache-2.0
pipeline_tag: {tag}
tags: [audio, music, wavenet, nsynth, jax, flax]
---

# {config["task"]}, {trained.step:,} steps

A model of {paper}, for 16 kHz mono sound, with
{sum(tensor.size for tensor in tensors.values()):,} parameters (averaged weights, {dtype}).

| setting | value |
| --- | --- |
{settings}

Data: {config["dataset"]["name"]}. Training: {trained.step:,} updates of {batch_size}
{"notes" if crop is None else f"x {crop} samples"}. Fingerprint: {trained.fingerprint}.
Written by wavenet_ae {wavenet_ae.__version__}.

{use}"""
