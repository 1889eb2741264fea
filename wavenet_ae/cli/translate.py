"""Plays sounds as another domain would, such as another instrument: music translation.

Usage: wavenet-ae translate SOUND... --checkpoint=RUN --to=DOMAIN --output=FOLDER

    wavenet-ae translate song.wav --checkpoint=runs/duo --to=guitar --output=out
    wavenet-ae translate my_songs more.flac --checkpoint=runs/duo --to=all --output=out

The encoder reads a sound, whatever it is, and the domain's decoder plays it: INPUT_to_DOMAIN.wav
(16 kHz, 16 bits, mono), exactly as long as the input, however long that is; sub-folders are kept.
An interrupted call is resumed by the same command; files in the folder that were made with other
settings, or by other programs, are not replaced.
"""

from absl import flags

from wavenet_ae.cli.command_line import LARGEST_SEED, define_path, take_arguments

_CHECKPOINT = define_path(
    "checkpoint",
    "A translation network: a run's --workdir, an export, or their URL (hf://OWNER/NAME, gs://...).",
    required=True,
    urls=True,
)
_INPUT = take_arguments(
    define_path("input", "A sound file, or a folder of them.", multiple=True), required=True
)
_TO = flags.DEFINE_list("to", None, "The domain to translate to, several (a,b), or all.")
flags.mark_flag_as_required("to")
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
    "batch_size", 16, "Sounds that are generated together, with one decoder.", lower_bound=1
)


def main() -> int:
    """Translates what the flags name; the exit code is 1 if a file was refused."""
    from wavenet_ae.audio import files
    from wavenet_ae.synthesis import translate_files
    from wavenet_ae.training.trained import load_trained

    output = _OUTPUT.value
    sources = files.find(_INPUT.value, leave_out=output)
    trained = load_trained(_CHECKPOINT.value, "translation")
    codecs = translate_files.create_codecs(trained, _TO.value, _TEMPERATURE.value)
    refused = translate_files.translate_files(
        codecs, sources, output, seed=_SEED.value, batch_size=_BATCH_SIZE.value
    )
    return int(refused > 0)
