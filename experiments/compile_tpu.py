r"""Compiles the training step and the sampler for TPU slices, without a TPU.

    python experiments/compile_tpu.py --config=experiments/configs/wavenet_ae.py \
        --topology=v5e:2x4,v5p:2x2x1 --batch_size=32,64 --output=compiled

prints how much of a chip's memory each program needs, what it computes, moves and exchanges, and
lower bounds of a step's time: floors, not measurements. A compilation takes minutes; the same
command resumes an interrupted one. `make libtpu` installs the compiler.
"""

import textwrap

import jax
from absl import flags
from ml_collections import config_flags

from wavenet_ae.cli.command_line import define_path, read_config, run
from wavenet_ae.compilation.survey import compile_all
from wavenet_ae.compilation.survey_document import NOTICE
from wavenet_ae.system.errors import UserError
from wavenet_ae.training.settings import check_training

_CONFIG = config_flags.DEFINE_config_file("config", None, "Of a training, FILE.py[:variant].")
_TOPOLOGY = flags.DEFINE_list(
    "topology", None, "Slices: v5e:2x4, v6e:4x4, v4:2x2x2 or v5p:2x2x1, several with commas."
)
_PROGRAM = flags.DEFINE_enum(
    "program", "both", ("train", "sample", "both"), "The training step, the sampler, or both."
)
_BATCH_SIZE = flags.DEFINE_list(
    "batch_size", None, "Global batches of the training step; default: the configuration's."
)
_NUM_SOUNDS = flags.DEFINE_list("num_sounds", ["16"], "Sounds that the sampler generates together.")
_OUTPUT = define_path("output", "The folder for compiled.json and compiled.md.")
flags.mark_flags_as_required(["config", "topology"])


def main() -> None:
    """Compiles what the flags ask for."""
    # Leaves a TPU of this machine free.
    jax.config.update("jax_platforms", "cpu")
    config = read_config(_CONFIG)
    check_training(config)
    batch_sizes, nums_sounds = [], []
    if _PROGRAM.value != "sample":
        batch_sizes = _numbers("batch_size", _BATCH_SIZE.value or [config["batch_size"]])
    if _PROGRAM.value == "sample" or (_PROGRAM.value == "both" and config["task"] == "wavenet"):
        nums_sounds = _numbers("num_sounds", _NUM_SOUNDS.value)
    print(textwrap.fill(NOTICE, 100), end="\n\n", flush=True)
    compile_all(config, _TOPOLOGY.value, batch_sizes, nums_sounds, _OUTPUT.value)


def _numbers(name: str, values: list[str | int]) -> list[int]:
    try:
        numbers = [int(value) for value in values]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise UserError(
            f"--{name}={','.join(map(str, values))} must be whole numbers above 0, with commas."
        )
    return numbers


if __name__ == "__main__":
    run(main)
