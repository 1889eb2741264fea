r"""Renders MIDI files with an instrument of a SoundFont, as performances with known notes.

Usage: wavenet-ae render-midi FILE_OR_FOLDER... --soundfont=FONT --output=FOLDER

    wavenet-ae render-midi my_midi_files --soundfont=/usr/share/sounds/sf3/FluidR3Mono_GM.sf3 \
        --output=performances
    wavenet-ae render-midi --num_pieces=100 --soundfont=FONT.sf2 --output=performances

Every file is played as it is: all channels but drums, at their pitches and velocities, with the
sustain pedal. Beside each WAV file is the MIDI file of the notes that sound in it. --num_pieces
draws piano pieces at random by rule instead, so that nobody has rights in them. Then:

    wavenet-ae build-dataset --performances=performances --name=piano --data_dir=datasets

An interrupted call is resumed by the same command. Needs libfluidsynth3.
"""

from absl import flags

from wavenet_ae.cli.command_line import LARGEST_SEED, define_path, take_arguments
from wavenet_ae.system.errors import UserError

_MIDI = take_arguments(define_path("midi", "MIDI files or folders of them.", multiple=True))
_SOUNDFONT = define_path("soundfont", "The sf2 or sf3 file.", required=True)
_OUTPUT = define_path("output", "The folder to write.", required=True)
_INSTRUMENT = flags.DEFINE_integer(
    "instrument", 0, "General MIDI program number.", lower_bound=0, upper_bound=127
)
_GAIN = flags.DEFINE_float(
    "gain",
    2.0,
    "FluidSynth's linear gain, the same for all files.",
    lower_bound=0.01,
    upper_bound=10.0,
)
_NUM_PIECES = flags.DEFINE_integer(
    "num_pieces", None, "Piano pieces by rule, instead of files.", lower_bound=1, upper_bound=10_000
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the pieces by rule.", lower_bound=0, upper_bound=LARGEST_SEED
)
_PROCESSES = flags.DEFINE_integer("processes", None, "Default: one per core.", lower_bound=1)


def main() -> None:
    """Renders what the flags ask for and prints what has come of it."""
    from wavenet_ae.prepare.phrases import playing, render_midi

    if bool(_MIDI.value) == (_NUM_PIECES.value is not None):
        raise UserError("name either MIDI files, or --num_pieces of pieces by rule.")
    if _MIDI.value:
        if flags.FLAGS["seed"].present:
            raise UserError("--seed is for pieces by rule: leave it out.")
        pieces = playing.read_midi(_MIDI.value, leave_out=_OUTPUT.value)
    else:
        pieces = render_midi.compose_pieces(_NUM_PIECES.value, _SEED.value)
    print(
        render_midi.render_midi(
            _SOUNDFONT.value,
            _OUTPUT.value,
            pieces,
            _INSTRUMENT.value,
            gain=_GAIN.value,
            processes=_PROCESSES.value,
        )
    )
