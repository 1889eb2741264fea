r"""Checks everything on this machine's GPU or TPU, in a few minutes.

    python experiments/check_accelerator.py --minutes=8 --output=runs/accelerator

compares the models with the authors' arrays, measures the steps of all three trainings, generation,
transposed convolutions and Griffin-Lim, and kills and resumes a training. Each part has its own
time limit; results.md and results.json in --output hold the results so far.
tools/accelerator_check.sh does it on a machine that has JAX and no network.
"""

from pathlib import Path

from absl import flags

from wavenet_ae.benchmarks import accelerator
from wavenet_ae.cli.command_line import define_path, run
from wavenet_ae.publish import markdown

_ROOT = Path(__file__).resolve().parents[1]
_NAMES = [part.name for part in accelerator.parts(_ROOT)]

_MINUTES = flags.DEFINE_float("minutes", 8.0, "For all parts together.", lower_bound=0.01)
_OUTPUT = define_path(
    "output", "The folder of results; those of other parts are kept.", required=True
)
_PART = flags.DEFINE_multi_enum("part", None, _NAMES, "Only this part; may be repeated.")
_TINY = flags.DEFINE_bool("tiny", False, "A rehearsal with tiny models, for a CPU.")


def main() -> int:
    """Runs all parts and prints the table; exit code 1 if one failed."""
    parts = accelerator.parts(_ROOT, tiny=_TINY.value)
    chosen = [part for part in parts if part.name in (_PART.value or _NAMES)]
    entries = accelerator.check(chosen, _OUTPUT.value.absolute(), _MINUTES.value)
    print(markdown.render(accelerator.document(entries)), end="")
    names = {part.name for part in chosen}
    return int(any(e["outcome"] != "ok" for e in entries if e["name"] in names))


if __name__ == "__main__":
    run(main)
