"""Synthesizes notes of instruments drawn at random, in NSynth's json/wav layout.

Usage: wavenet-ae render-synthetic --output=FOLDER

    wavenet-ae render-synthetic --num_instruments=300 --notes_each=40 --output=synthetic
    wavenet-ae build-dataset notes --train_only=synthetic --data_dir=datasets

Each instrument has partials, envelopes, filters, modulation and noise of its own, by its family's
rules. They add variety to notes of SoundFonts, as NSynth has synthetic instruments beside recorded
ones. An interrupted call is resumed by the same command.
"""

from absl import flags

from wavenet_ae.cli.command_line import LARGEST_SEED, define_path, parse_numbers
from wavenet_ae.data import nsynth
from wavenet_ae.prepare.synthetic.render import render_synthetic

_OUTPUT = define_path("output", "The folder to write.", required=True)
_NUM_INSTRUMENTS = flags.DEFINE_integer(
    "num_instruments", 100, "How many to draw, of ten families.", lower_bound=1, upper_bound=10_000
)
_NOTES_EACH = flags.DEFINE_integer(
    "notes_each", 40, "Notes of every instrument, at most.", lower_bound=1
)
_PITCHES = flags.DEFINE_list(
    "pitches", ["21:108:1"], "MIDI pitches: first:last:step, or numbers separated by commas."
)
_VELOCITIES = flags.DEFINE_list(
    "velocities", [str(velocity) for velocity in nsynth.VELOCITIES], "MIDI velocities, likewise."
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of instruments and notes.", lower_bound=0, upper_bound=LARGEST_SEED
)
_PROCESSES = flags.DEFINE_integer("processes", None, "Default: one per core.", lower_bound=1)


def main() -> None:
    """Synthesizes what the flags ask for and prints one line on the result."""
    print(
        render_synthetic(
            _OUTPUT.value,
            num_instruments=_NUM_INSTRUMENTS.value,
            notes_each=_NOTES_EACH.value,
            pitches=parse_numbers(_PITCHES.value, "pitches", 0, nsynth.NUM_PITCHES - 1),
            velocities=parse_numbers(_VELOCITIES.value, "velocities", 1, 127),
            seed=_SEED.value,
            processes=_PROCESSES.value,
        )
    )
