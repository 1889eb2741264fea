"""Plays MIDI files with a WaveNet that is conditioned on notes.

Usage: wavenet-ae perform FILE.mid... --checkpoint=RUN --output=FOLDER

    wavenet-ae perform sonata.mid --checkpoint=runs/piano --output=out
    wavenet-ae perform my_pieces more.mid --checkpoint=runs/piano --temperature=0.9 --output=out

All notes are played, of whatever channel and instrument, but for drums and what is beyond a piano's
keys; the pedal is followed. The WAV files (16 kHz, 16 bits, mono) end 2 s after the last note;
sub-folders are kept. An interrupted call is resumed by the same command; files in the folder that
were made with other settings, or by other programs, are not replaced.
"""

from absl import flags

from wavenet_ae.cli.command_line import LARGEST_SEED, define_path, take_arguments

_CHECKPOINT = define_path(
    "checkpoint",
    "A MIDI-conditioned WaveNet: a run's --workdir, an export, or their URL (hf://OWNER/NAME, "
    "gs://...).",
    required=True,
    urls=True,
)
_INPUT = take_arguments(
    define_path("input", "A MIDI file, or a folder of them.", multiple=True), required=True
)
_OUTPUT = define_path("output", "The folder to write.", required=True)
_TEMPERATURE = flags.DEFINE_float(
    "temperature",
    1.0,
    "1 draws from the decoder's distribution; less is cleaner and duller.",
    lower_bound=0.0,
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the random draws.", lower_bound=0, upper_bound=LARGEST_SEED
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 16, "Performances that are generated together.", lower_bound=1
)


def main() -> int:
    """Performs what the flags name; the exit code is 1 if a file was refused."""
    from wavenet_ae.audio import files, midi
    from wavenet_ae.synthesis.perform_files import Player, perform_files
    from wavenet_ae.training.trained import load_trained

    output = _OUTPUT.value
    sources = files.find(_INPUT.value, midi.SUFFIXES, leave_out=output)
    player = Player(load_trained(_CHECKPOINT.value, "midi"), _TEMPERATURE.value)
    refused = perform_files(player, sources, output, seed=_SEED.value, batch_size=_BATCH_SIZE.value)
    return int(refused > 0)
