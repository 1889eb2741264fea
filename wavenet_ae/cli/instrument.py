"""Renders a playable instrument from sounds: notes at every point between them, looped and tuned.

Usage: wavenet-ae instrument SOUND... --output=FOLDER

    wavenet-ae instrument flute.wav bass.wav organ.wav brass.wav --output=morph
    wavenet-ae instrument my_sounds --corners=flute,bass,organ,brass --output=morph
    wavenet-ae instrument my_sounds --pairs --resolution=9 --pitches=48:72:2 --output=morph

Each sound is a file, whose embedding is played at all pitches; or files at several pitches with
names like flute_48.wav and flute_60.wav, of which the nearest is played. Four sounds make a square,
two a line; more make squares that share edges. The first 4 s of a sound are used. A note that a
pitch tracker finds out of tune is generated again, with another seed and as the semitone below or
above, transposed. The folder holds the page to play it (index.html), packs for samplers (packs/),
the notes (16 kHz, 16 bits, mono) and instrument.json, which describes them; report.json says which
are in tune. An interrupted call is resumed by the same command; with other flags it reuses all
notes that stay the same.
"""

from absl import flags

from wavenet_ae.cli.command_line import (
    LARGEST_SEED,
    define_checkpoint,
    define_path,
    parse_numbers,
    take_arguments,
)

_CHECKPOINT = define_checkpoint()
_INPUT = take_arguments(
    define_path("input", "A sound file, or a folder of them.", multiple=True), required=True
)
_OUTPUT = define_path("output", "The folder to write.", required=True)
_CORNERS = flags.DEFINE_multi_string(
    "corners",
    [],
    "Names of sounds, or their beginnings: four, of a square (top left, top right, bottom left, "
    "bottom right), or two, of a line. Repeat it for further ones. Default: all sounds.",
)
_PAIRS = flags.DEFINE_bool("pairs", False, "Lines between every two sounds instead of squares.")
_RESOLUTION = flags.DEFINE_integer(
    "resolution", 5, "Cells along a side of a square.", lower_bound=2, upper_bound=33
)
_PITCHES = flags.DEFINE_list(
    "pitches",
    ["36:84:4"],
    "MIDI pitches to render: first:last:step, or numbers separated by commas. Players transpose "
    "the nearest.",
)
_NAME = flags.DEFINE_string("name", None, "The instrument's; default: the folder's.")
_NAMES = flags.DEFINE_bool("names", True, "Read pitches from files' names.")
_ATTEMPTS = flags.DEFINE_integer(
    "attempts", 3, "How often to generate a note at most until it is in tune.", 1, 100
)
_TEMPERATURE = flags.DEFINE_float("temperature", None, "See wavenet-ae generate.", lower_bound=0.0)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the random draws.", lower_bound=0, upper_bound=LARGEST_SEED
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Notes generated together.", lower_bound=1)


def main() -> int:
    """Renders what the flags ask for; the exit code is 1 if a file was refused."""
    from wavenet_ae.audio import pitch_tracker
    from wavenet_ae.instrument import render
    from wavenet_ae.synthesis import codec
    from wavenet_ae.training.trained import load_trained

    output = _OUTPUT.value
    # Those that the tracker can find.
    pitches = parse_numbers(_PITCHES.value, "pitches", pitch_tracker.LOWEST, pitch_tracker.HIGHEST)
    model = codec.create(load_trained(_CHECKPOINT.value), temperature=_TEMPERATURE.value)
    sounds, corners, refused = render.choose_sounds(
        _INPUT.value,
        output,
        _CORNERS.value,
        pairs=_PAIRS.value,
        pitches_in_names=_NAMES.value,
    )
    written = render.render_instrument(
        model,
        sounds,
        corners,
        output,
        name=_NAME.value or output.absolute().name,
        resolution=_RESOLUTION.value,
        pitches=pitches,
        seed=_SEED.value,
        attempts=_ATTEMPTS.value,
        batch_size=_BATCH_SIZE.value,
    )
    print(written.summary)
    folder = written.packs[0].parent
    print(f"{folder}: sampler packs: SFZ, SF2, multisample and DecentSampler")
    print(
        f"open {written.page.path} in a browser"
        if written.page.holds_sounds
        else f"its sounds are too large for one page: play it with `wavenet-ae play {output}`"
    )
    return int(refused > 0)
