r"""Measures how fast it is on this machine, side by side, in one run.

    python experiments/benchmark.py --task=data --config=experiments/configs/wavenet_ae.py:demo \
        --config.dataset.data_dir=runs/demo/datasets --notes=runs/demo/notes --measure_step

reads batches as the training does, crops and whole notes, from the dataset and from WAV files, with
0, 1 and 2 reading processes, and compares with what a training step takes: here (--measure_step),
or on another machine (--step_ms; compile_tpu.py tells floors of TPUs).
"""

import json
import os

from absl import flags
from ml_collections import config_flags

from wavenet_ae import atomic_file
from wavenet_ae.benchmarks import data
from wavenet_ae.command_line import define_path, read_config, run
from wavenet_ae.errors import UserError

_TASK = flags.DEFINE_enum("task", None, ["data"], "What to measure.", required=True)
_CONFIG = config_flags.DEFINE_config_file("config", None, "Of a training, FILE.py[:variant].")
_NOTES = define_path("notes", "A folder in NSynth's json/wav layout, to compare with.")
_NUM_WORKERS = flags.DEFINE_multi_integer(
    "num_workers", [0, 1, 2], "Reading processes; may be repeated.", lower_bound=0
)
_SECONDS = flags.DEFINE_float("seconds", 5.0, "Of each measurement.", lower_bound=0.1)
_REPETITIONS = flags.DEFINE_integer("repetitions", 3, "Of the whole round.", lower_bound=1)
_MEASURE_STEP = flags.DEFINE_bool("measure_step", False, "Measure the training step, too.")
_STEP_MS = flags.DEFINE_multi_float(
    "step_ms", [], "Milliseconds of a step on a machine to feed; may be repeated.", lower_bound=0.01
)
_OUTPUT = define_path("output", "A JSON file for the numbers.")
flags.mark_flag_as_required("config")


def main() -> None:
    """Measures, and prints a table."""
    config = read_config(_CONFIG)
    if "task" not in config:
        raise UserError("the --config is of no training: take one of experiments/configs.")
    measurements = data.measure(
        config,
        notes=_NOTES.value,
        num_workers=_NUM_WORKERS.value,
        seconds=_SECONDS.value,
        repetitions=_REPETITIONS.value,
    )
    demands = {f"steps of {ms:g} ms": 1000 / ms for ms in _STEP_MS.value}
    if _MEASURE_STEP.value:
        demands["steps here"] = data.steps_per_s(config, _SECONDS.value)
    print(f"batches of {config['batch_size']}, {os.cpu_count()} cores")
    for name, demand in demands.items():
        print(f"{name}: {demand:.4g} batches/s")
    print("\n" + data.table(measurements, config, demands), end="")
    if _OUTPUT.value:
        rows = [measurement._asdict() for measurement in measurements]
        result = {"batch_size": config["batch_size"], "demands": demands, "measurements": rows}
        with atomic_file.replacing(_OUTPUT.value) as path:
            path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    run(main)
