"""Writes a page of sounds between two notes: mixed, and decoded from blends of their embeddings.

Usage: wavenet-ae interpolate [SOUND SOUND] --output=FOLDER

    wavenet-ae interpolate flute.wav bass.wav --output=between
    wavenet-ae interpolate --wavenet=runs/demo/run --spectral=runs/baseline --output=between

The experiment of Engel et al. 2017, section 4.2. The model is the pretrained one unless --wavenet
or --spectral names others. Without sounds of your own, notes of like pitches come from the dataset
of the first run given, or from --dataset, from a split that it did not train on; there --classifier
counts which pitches and families a classifier names on the way. report.html holds its sounds and
pictures itself; the WAV files (16 kHz, 16 bits, mono) are beside it. Of a pair, all are as long as
the longer sound: the shorter one is followed by silence. An interrupted call is resumed by the same
command, and a repeated one reuses all sounds.
"""

from pathlib import Path

from absl import flags

from wavenet_ae.cli.command_line import LARGEST_SEED, define_path, take_arguments
from wavenet_ae.system.errors import UserError

_WAVENET = define_path(
    "wavenet", "A WaveNet's --workdir, an export, a URL, or pretrained.", urls=True
)
_SPECTRAL = define_path(
    "spectral", "A spectral autoencoder's --workdir, an export, a URL, or pretrained.", urls=True
)
_CLASSIFIER = define_path(
    "classifier",
    "Names pitch and family of all sounds, where there is no --pair: a --workdir, an export, a "
    "URL, or pretrained.",
    urls=True,
)
_OUTPUT = define_path("output", "The folder to write.", required=True)
_INPUT = take_arguments(define_path("input", "The two sounds to interpolate.", multiple=True))
_PAIR = flags.DEFINE_multi_string(
    "pair", [], "Two sound files with a comma between them, for one or several pairs on a page."
)
_SPLIT = flags.DEFINE_string("split", "test", "Without --pair: the split of the dataset.")
_DATASET = flags.DEFINE_string(
    "dataset", None, "Without --pair: its name; default: the one that the run was trained from."
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "TFDS's folder of datasets; default: the one that the run was trained from."
)
_NUM_PAIRS = flags.DEFINE_integer(
    "num_pairs", 3, "Without --pair: how many to choose.", lower_bound=1, upper_bound=100
)
_NUM_WEIGHTS = flags.DEFINE_integer(
    "num_weights", 5, "Points from one sound to the other, with both ends."
)
_INTERPOLATION = flags.DEFINE_enum(
    "interpolation",
    "linear",
    ["linear", "spherical"],
    "For the embeddings: a weighted sum, or along the arc between their vectors.",
)
_PITCH = flags.DEFINE_integer(
    "pitch", None, "MIDI pitch for models that are conditioned on it; default: the sounds' own."
)
_TEMPERATURE = flags.DEFINE_float("temperature", None, "See wavenet-ae generate.", lower_bound=0.0)
_GRIFFIN_LIM_ITERATIONS = flags.DEFINE_integer(
    "griffin_lim_iterations",
    None,
    "See wavenet-ae generate.",
    lower_bound=0,
)
_GRIFFIN_LIM_MOMENTUM = flags.DEFINE_float(
    "griffin_lim_momentum",
    None,
    "See wavenet-ae generate.",
    lower_bound=0.0,
    upper_bound=1.0,
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the random draws.", lower_bound=0, upper_bound=LARGEST_SEED
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 16, "Sounds generated together.", lower_bound=1)


def main() -> None:
    """Writes the page that the flags ask for."""
    from wavenet_ae.evaluation import interpolation, interpolation_pairs
    from wavenet_ae.training.trained import load_trained

    given = [interpolation_pairs.two_paths(text) for text in _PAIR.value]
    if inputs := _INPUT.value:
        if len(inputs) != 2:
            raise UserError(f"interpolation takes two sounds, and {len(inputs)} are given.")
        given.append(inputs)
    wavenet = _WAVENET.value or (None if _SPECTRAL.value else Path("pretrained"))
    spectral = {
        "griffin_lim_iterations": _GRIFFIN_LIM_ITERATIONS.value,
        "griffin_lim_momentum": _GRIFFIN_LIM_MOMENTUM.value,
    }
    models = interpolation.load_models(
        {"wavenet": wavenet, "spectral": _SPECTRAL.value},
        {"wavenet": {"temperature": _TEMPERATURE.value}, "spectral": spectral},
    )
    track_pitch = _PITCH.value is None and any(model.num_pitches for model in models.values())
    pairs = interpolation_pairs.read_pairs(given, track_pitch) or interpolation_pairs.choose_notes(
        next(iter(models.values())),
        dataset=_DATASET.value,
        data_dir=_DATA_DIR.value,
        split=_SPLIT.value,
        num_pairs=_NUM_PAIRS.value,
    )
    page = interpolation.write_interpolation(
        models,
        pairs,
        _OUTPUT.value,
        num_weights=_NUM_WEIGHTS.value,
        interpolation=_INTERPOLATION.value,
        pitch=_PITCH.value,
        seed=_SEED.value,
        batch_size=_BATCH_SIZE.value,
        classifier=_CLASSIFIER.value and load_trained(_CLASSIFIER.value, "classifier"),
    )
    print(f"open {page} in a browser")
