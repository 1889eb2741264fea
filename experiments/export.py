"""Exports a run's averaged weights: safetensors, config.json and a model card.

    python experiments/export.py --checkpoint=runs/demo/run --output=exported

The folder has the layout of the Hugging Face hub, and every --checkpoint accepts it.
"""

from pathlib import Path

from absl import flags

from wavenet_ae.command_line import run
from wavenet_ae.training.trained import export, load_trained

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "A run's --workdir.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "The folder to write.", required=True)


def main() -> None:
    """Exports what the flags ask for."""
    output = Path(_OUTPUT.value).expanduser()
    trained = load_trained(Path(_CHECKPOINT.value).expanduser())
    export(trained, output)
    print(f"{output}: step {trained.step}, {trained.fingerprint}")


if __name__ == "__main__":
    run(main)
