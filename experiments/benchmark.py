r"""Measures the speed of training, generation and reading on this machine, and its ceilings.

    python experiments/benchmark.py --task=train --config.batch_size=1 --config.model.dtype=float32

measures the training step of the paper's WaveNet, or of another --config, and large matrix
products: milliseconds, samples a second, memory, and the share of the machine's arithmetic.

    python experiments/benchmark.py --task=sample --num_sounds=1 --num_sounds=8

measures generation, and the time for only reading the weights and multiplying by them. A call
generates whole frames: --config.model.hop_length=64 makes them short on a slow machine.

    python experiments/benchmark.py --task=griffin_lim --iterations=100

measures Griffin-Lim, by which the spectral baseline generates sound, and librosa's.

    python experiments/benchmark.py --task=transposed --config=experiments/configs/spectral_ae.py

measures the baseline's transposed convolutions, by both algorithms.

    python experiments/benchmark.py --task=data --config=experiments/configs/wavenet_ae.py:demo \
        --config.dataset.data_dir=runs/demo/datasets --notes=runs/demo/notes --measure_step

reads batches as training does, crops and whole notes, from the dataset and from WAV files, with
0, 1 and 2 reading processes, and compares the rate with that of training steps: here
(--measure_step), or on another machine (--step_ms; compile_tpu.py computes floors for TPUs).

Everything is measured in turns, --repetitions times; numbers are medians, with the lowest and the
highest.
"""

import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from absl import flags
from ml_collections import config_flags

from wavenet_ae.benchmarks import data, griffin_lim, machine, sampling, training, transposed
from wavenet_ae.cli.command_line import define_path, read_config, run
from wavenet_ae.publish import markdown
from wavenet_ae.system import results
from wavenet_ae.system.errors import UserError

_PAPER = Path(__file__).parent / "configs" / "wavenet_ae.py"
_HAS_CONFIG = any(re.match("--?config(=|$)", argument) for argument in sys.argv)
_HAS_SETTINGS = any(re.match(r"--?config[.=]|--?config$", argument) for argument in sys.argv)
# Flags of one task only.
_OWN_FLAGS = {
    "train": ["data"],
    "sample": ["num_sounds", "chunk_frames", "voice"],
    "data": ["notes", "num_workers", "measure_step", "step_ms"],
    "griffin_lim": ["batch_size", "iterations"],
}

_TASK = flags.DEFINE_enum(
    "task",
    None,
    ["train", "sample", "data", "griffin_lim", "transposed"],
    "What to measure.",
    required=True,
)
_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Of a training, FILE.py[:variant]; default: the paper's WaveNet."
)
_SECONDS = flags.DEFINE_float("seconds", 5.0, "Of each measurement.", lower_bound=0.1)
_REPETITIONS = flags.DEFINE_integer("repetitions", 3, "Of the whole round.", lower_bound=1)
_OUTPUT = define_path("output", "A JSON file for the numbers.")

_DATA = flags.DEFINE_bool(
    "data", False, "--task=train: use the first batches of the config's dataset, not noise."
)
_NUM_SOUNDS = flags.DEFINE_multi_integer(
    "num_sounds",
    [1, 8, 64],
    "--task=sample: sounds generated together; may be repeated.",
    lower_bound=1,
)
_CHUNK_FRAMES = flags.DEFINE_integer(
    "chunk_frames",
    None,
    "--task=sample: frames generated at a time; default: 1 on CPUs, else as wavenet-ae generate.",
    lower_bound=1,
)
_VOICE = flags.DEFINE_bool("voice", True, "--task=sample: also measure one voice in short chunks.")
_NOTES = define_path("notes", "--task=data: a folder in NSynth's json/wav layout, to compare with.")
_NUM_WORKERS = flags.DEFINE_multi_integer(
    "num_workers", [0, 1, 2], "--task=data: reading processes; may be repeated.", lower_bound=0
)
_MEASURE_STEP = flags.DEFINE_bool(
    "measure_step", False, "--task=data: also measure the training step."
)
_STEP_MS = flags.DEFINE_multi_float(
    "step_ms",
    [],
    "--task=data: milliseconds of a step on another machine; may be repeated.",
    lower_bound=0.01,
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 32, "--task=griffin_lim: notes in a batch.", lower_bound=1
)
_ITERATIONS = flags.DEFINE_integer(
    "iterations", 1000, "--task=griffin_lim: of the algorithm.", lower_bound=1
)


def main() -> None:
    """Measures, prints the document, and writes the numbers."""
    for task, names in _OWN_FLAGS.items():
        if strange := [n for n in names if flags.FLAGS[n].present and task != _TASK.value]:
            raise UserError(f"--{strange[0]} is for --task={task}: leave it out.")
    if _TASK.value == "data" and not _HAS_CONFIG:
        raise UserError("--task=data reads a training's dataset: name its --config.")
    if _TASK.value == "griffin_lim" and _HAS_SETTINGS:
        raise UserError("--task=griffin_lim has no model: leave --config and its settings out.")
    config = read_config(_CONFIG)
    if _OUTPUT.value:
        results.check(_OUTPUT.value.parent, [_OUTPUT.value.name], "benchmark")
    timing = {"seconds": _SECONDS.value, "repetitions": _REPETITIONS.value}
    study, arguments = _study(config)
    found = study.measure(**arguments, **timing)
    settings = {} if _TASK.value == "griffin_lim" else _settings()
    result = {"task": _TASK.value, **settings, "machine": machine.describe(), **timing, **found}
    text = markdown.render(study.document(found))
    print(f"{machine.sentence(result['machine'])}\n\n{text}", end="")
    if _OUTPUT.value:
        with results.replacing(_OUTPUT.value, "benchmark") as path:
            path.write_text(json.dumps(result, indent=2, default=str) + "\n")


def _study(config: dict[str, Any]) -> tuple[ModuleType, dict[str, Any]]:
    """Returns the module of the task, and the arguments of its `measure`."""
    match _TASK.value:
        case "train":
            return training, {"config": config, "real_data": _DATA.value}
        case "sample":
            sounds = {"nums_sounds": _NUM_SOUNDS.value, "chunk_frames": _CHUNK_FRAMES.value}
            return sampling, {"config": config, **sounds, "voice": _VOICE.value}
        case "griffin_lim":
            return griffin_lim, {"batch_size": _BATCH_SIZE.value, "iterations": _ITERATIONS.value}
        case "transposed":
            return transposed, {"config": config}
        case "data":
            reading = {"notes": _NOTES.value, "num_workers": _NUM_WORKERS.value}
            steps = {"step_ms": _STEP_MS.value, "measure_step": _MEASURE_STEP.value}
            return data, {"config": config, **reading, **steps}


def _settings() -> dict[str, Any]:
    flag = flags.FLAGS["config"]
    return {
        "config": config_flags.get_config_filename(flag),
        "overrides": config_flags.get_override_values(flag),
    }


if __name__ == "__main__":
    if not _HAS_CONFIG:
        # Not as the flag's default, with which mistyped overrides would end in a stack trace.
        sys.argv.insert(1, f"--config={_PAPER}")
    run(main)
