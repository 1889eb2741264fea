"""Writes a page to listen to: a run's loss, and notes as its model reconstructs and blends them.

Usage: wavenet-ae report [SOUND...] --output=FOLDER

    wavenet-ae report flute.wav --output=report
    wavenet-ae report --checkpoint=runs/demo/run --output=report

The first takes the pretrained model, the notes that come with it, and your own sounds. A run's
notes come from its own dataset, from a split that it did not train on. With --checkpoint twice (a
run, and pretrained) the page has a part for each. report.html holds its sounds and pictures itself
and opens from the disk; the WAV files are beside it. An interrupted call is resumed by the same
command, and a repeated one reuses all sounds.
"""

from pathlib import Path

from absl import flags

from wavenet_ae.cli.command_line import LARGEST_SEED, define_path, take_arguments
from wavenet_ae.data import nsynth

_CHECKPOINT = define_path(
    "checkpoint",
    "A run's --workdir, or pretrained (the default), or one of each.",
    multiple=True,
    urls=True,
)
_INPUT = take_arguments(
    define_path(
        "input",
        "A sound for the pretrained model, or a folder of them.",
        multiple=True,
    )
)
_PITCH = flags.DEFINE_integer(
    "pitch",
    None,
    "MIDI pitch of --input; default: the one in its name, else the one that a tracker finds.",
    lower_bound=0,
    upper_bound=127,
)
_OUTPUT = define_path("output", "The folder to write.", required=True)
_SPLIT = flags.DEFINE_string(
    "split", "test", "The split of the run's dataset to take the notes from."
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "TFDS's folder of datasets; default: the one that the run was trained from."
)
_NUM_NOTES = flags.DEFINE_integer(
    "num_notes", 4, "How many to show.", lower_bound=1, upper_bound=100
)
_SECONDS = flags.DEFINE_float(
    "seconds", nsynth.NOTE_SECONDS, "Length of every note; less makes a quicker report."
)
_TEMPERATURE = flags.DEFINE_float(
    "temperature",
    1.0,
    "1 draws from the model's distribution; less is cleaner and duller.",
    lower_bound=0.0,
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the random draws.", lower_bound=0, upper_bound=LARGEST_SEED
)


def main() -> None:
    """Writes the report that the flags ask for."""
    from wavenet_ae.evaluation.report import write_report

    page = write_report(
        _CHECKPOINT.value or [Path("pretrained")],
        _OUTPUT.value,
        inputs=_INPUT.value or (),
        pitch=_PITCH.value,
        data_dir=_DATA_DIR.value,
        split=_SPLIT.value,
        num_notes=_NUM_NOTES.value,
        seconds=_SECONDS.value,
        temperature=_TEMPERATURE.value,
        seed=_SEED.value,
    )
    print(f"open {page} in a browser")
