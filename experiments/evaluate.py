"""Runs an evaluation of trained models; the same command resumes it.

    python experiments/evaluate.py --config=experiments/configs/table1.py --workdir=runs/table1 \
        --config.wavenet=WORKDIR --config.spectral=WORKDIR --config.classifier=WORKDIR

With --watch it follows the one --config.wavenet or --config.spectral while that trains, here or
elsewhere (gs://...), and evaluates each new checkpoint until the run has ended.

The configurations document their settings and results. With --distributed several processes share
the notes of Table 1 and of the probe; the first of them writes the results. An error in one ends
all.
"""

from absl import flags
from ml_collections import config_flags

from wavenet_ae.cli.command_line import define_distributed, define_path, read_config, run
from wavenet_ae.evaluation.linear_probe import run_linear_probe
from wavenet_ae.evaluation.performance import evaluate_performance
from wavenet_ae.evaluation.table1 import evaluate_table1
from wavenet_ae.evaluation.translation import evaluate_translation
from wavenet_ae.evaluation.watch import watch_table1
from wavenet_ae.system.errors import UserError

_CONFIG = config_flags.DEFINE_config_file("config", None, "The experiment: FILE.py.")
_WORKDIR = define_path("workdir", "The folder of the results.", required=True)
_WATCH = flags.DEFINE_bool("watch", False, "Evaluate each new checkpoint of a run that trains.")
_POLL_SECONDS = flags.DEFINE_float(
    "poll_seconds", 30, "How often --watch looks for a new checkpoint.", lower_bound=0.1
)
define_distributed(independent=True)
flags.mark_flag_as_required("config")

_EXPERIMENTS = {
    "table1": evaluate_table1,
    "linear_probe": run_linear_probe,
    "translation": evaluate_translation,
    "performance": evaluate_performance,
}


def main() -> None:
    """Runs what the flags ask for."""
    config = read_config(_CONFIG)
    name = config.get("experiment")
    if name not in tuple(_EXPERIMENTS):  # a list is not hashable
        raise UserError(
            f"the --config is not an evaluation: use one of {', '.join(_EXPERIMENTS)} in "
            "experiments/configs."
        )
    if _WATCH.value:
        if name != "table1" or flags.FLAGS.distributed:
            raise UserError("--watch is for configs/table1.py, in a single process.")
        watch_table1(config, _WORKDIR.value, _POLL_SECONDS.value)
    else:
        _EXPERIMENTS[name](config, _WORKDIR.value)


if __name__ == "__main__":
    run(main)
