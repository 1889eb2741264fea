"""Plays an instrument in the browser: rendered notes, or the decoder itself, live.

Usage: wavenet-ae play DIR
       wavenet-ae play --live SOUND...
       wavenet-ae play --live --checkpoint=RUN
       wavenet-ae play --render=FILE.mid SOUND... --output=FILE.wav

    wavenet-ae play instrument
    wavenet-ae play --live flute.wav bass.wav organ.wav brass.wav
    wavenet-ae play --live --checkpoint=runs/piano
    wavenet-ae play --render=song.mid flute.wav bass.wav --output=song.wav

DIR is a folder that wavenet-ae instrument has written. Its page (index.html) is written if it is
missing or older than the instrument; below 40 MB it holds its sounds and can also be opened without
a server. With --live the decoder generates while you play: two sounds are the ends of a line, four
the corners of a pad, and DIR stands for the sounds that it was made from. A RUN that was trained on
notes (midi_wavenet.py) plays its own instrument, without sounds. With --render it plays a
MIDI file (CC1 moves to the right, CC74 up, CC64 is the pedal) into a WAV file at 16 kHz; the same
again gives the same bytes.

Only this machine can open the address that is printed; Ctrl-C ends the server. Of several tabs the
one that was opened last plays live.
"""

from absl import flags

from wavenet_ae.cli.command_line import (
    LARGEST_SEED,
    define_checkpoint,
    define_path,
    take_arguments,
)
from wavenet_ae.system.errors import UserError

_INPUT = take_arguments(
    define_path(
        "input", "The folder of a rendered instrument, or sounds to play live.", multiple=True
    )
)
_PORT = flags.DEFINE_integer(
    "port", 8765, "Of the address; 0 for any that is free.", lower_bound=0, upper_bound=65535
)
_LIVE = flags.DEFINE_bool("live", False, "Let the decoder generate while you play.")
_RENDER = define_path("render", "A MIDI file to play into the --output, without a page.")
_OUTPUT = define_path("output", "With --render: the WAV file to write, which must not exist.")
_CHECKPOINT = define_checkpoint()
_VOICES = flags.DEFINE_integer(
    "voices",
    None,
    "Notes that sound at once, after which a new one takes the oldest's place. Default with "
    "--live: as many as this machine keeps up with; with --render: 32.",
    lower_bound=1,
    upper_bound=128,
)
_PAD = flags.DEFINE_list(
    "pad", ["0.5", "0.5"], "With --render: where the pad is at first, from left and from top."
)
_NAMES = flags.DEFINE_bool("names", True, "Read pitches from files' names.")
_TEMPERATURE = flags.DEFINE_float("temperature", None, "See wavenet-ae generate.", lower_bound=0.0)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the random draws.", lower_bound=0, upper_bound=LARGEST_SEED
)


def main() -> None:
    """Serves until Ctrl-C, or renders."""
    _check_flags()
    if not (_LIVE.value or _RENDER.value):
        from wavenet_ae.instrument import server

        server.serve(server.application(_INPUT.value[0]), _PORT.value, _announce)
        return
    pad = _read_pad()

    from wavenet_ae.instrument.live import start
    from wavenet_ae.training.trained import load_trained

    settings = {
        "num_voices": _VOICES.value,
        "temperature": _TEMPERATURE.value,
        "seed": _SEED.value,
        "pitches_in_names": _NAMES.value,
    }
    trained = load_trained(_CHECKPOINT.value)
    if _LIVE.value:
        start.serve(trained, _INPUT.value, _PORT.value, _announce, **settings)
    else:
        print(
            start.render(trained, _INPUT.value, _RENDER.value, _OUTPUT.value, pad=pad, **settings)
        )


def _announce(url: str) -> None:
    print(f"open {url} (Ctrl-C ends the server)", flush=True)


def _check_flags() -> None:
    if _LIVE.value and _RENDER.value:
        raise UserError("--live and --render exclude each other: give one.")
    if bool(_RENDER.value) != bool(_OUTPUT.value):
        raise UserError("--render=FILE.mid and --output=FILE.wav belong together: give both.")
    _refuse_unused()
    uses_model = _LIVE.value or _RENDER.value
    if not _INPUT.value and not (uses_model and flags.FLAGS["checkpoint"].present):
        raise UserError("no input is given: name one, or give --input=...")
    if _LIVE.value or _RENDER.value:
        return
    if len(_INPUT.value) > 1 or _INPUT.value[0].is_file():
        raise UserError(
            "without --live or --render, the folder of one rendered instrument is played: name it, "
            "or add --live."
        )


def _refuse_unused() -> None:
    """Raises a UserError for a flag that this way of playing does not read."""
    of_decoder = ["checkpoint", "voices", "names", "temperature", "seed"]
    if _LIVE.value:
        unused = {"pad": "--render"}
    elif _RENDER.value:
        unused = {"port": "the page"}
    else:
        unused = dict.fromkeys(of_decoder, "--live or --render") | {"pad": "--render"}
    for name, use in unused.items():
        if flags.FLAGS[name].present:
            raise UserError(f"--{name} is only for {use}: leave it out.")


def _read_pad() -> tuple[float, float]:
    try:
        x, y = map(float, _PAD.value)
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise ValueError
    except ValueError as error:
        raise UserError(
            f"--pad={','.join(_PAD.value)} must be two numbers from 0 to 1, as 0.5,0.5."
        ) from error
    return x, y
