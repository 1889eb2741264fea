r"""Trains a model; the same command resumes an interrupted run.

    python experiments/train.py --config=experiments/configs/wavenet_ae.py:demo \
        --config.dataset.data_dir=DATASETS --workdir=runs/demo

Any setting of the configuration can be given: --config.batch_size=64.
"""

from absl import flags
from ml_collections import config_flags

from wavenet_ae.cli.command_line import define_distributed, define_path, read_config, run
from wavenet_ae.synthesis.summaries import reconstruct_notes
from wavenet_ae.training.loop import train_and_evaluate

_CONFIG = config_flags.DEFINE_config_file("config", None, "The experiment, FILE.py[:variant].")
_WORKDIR = define_path(
    "workdir", "The folder of the run; gs://... too.", required=True, buckets=True
)
define_distributed()
flags.mark_flag_as_required("config")


def main() -> None:
    """Trains what the flags ask for."""
    train_and_evaluate(read_config(_CONFIG), _WORKDIR.value, reconstruct_notes)


if __name__ == "__main__":
    run(main)
