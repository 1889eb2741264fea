"""Plays the notes of recordings anew: recordings to MIDI files, and these to sound.

Usage: wavenet-ae resynthesize SOUND... --checkpoint=RUN --output=FOLDER

    wavenet-ae resynthesize old_record.wav --checkpoint=runs/piano --output=out
    wavenet-ae resynthesize my_recordings --checkpoint=runs/piano --output=out

A transcriber (basic-pitch) finds the notes, which are kept: out/old_record.mid, beside the WAV file
that the network plays from them (see `wavenet-ae perform`). To correct notes, change a copy of the
MIDI file and perform that. An interrupted call is resumed by the same command; other files are not
replaced.
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
    define_path("input", "A sound file, or a folder of them.", multiple=True), required=True
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
    """Resynthesizes what the flags name; the exit code is 1 if a file was refused."""
    from wavenet_ae.audio import files
    from wavenet_ae.synthesis.perform_files import Player, perform_files
    from wavenet_ae.synthesis.transcribe_files import transcribe_files
    from wavenet_ae.training.trained import load_trained

    output = _OUTPUT.value
    sources = files.find(_INPUT.value, leave_out=output)
    player = Player(load_trained(_CHECKPOINT.value, "midi"), _TEMPERATURE.value)
    transcribed, refused = transcribe_files(sources, output)
    if transcribed:
        refused += perform_files(
            player, transcribed, output, seed=_SEED.value, batch_size=_BATCH_SIZE.value
        )
    return int(refused > 0)
