r"""Renders phrases with instruments of a SoundFont, as recordings to translate between.

Usage: wavenet-ae render-phrases SOUNDFONT --instruments=40,73 --output=FOLDER

    wavenet-ae render-phrases /usr/share/sounds/sf3/FluidR3Mono_GM.sf3 --instruments=0,40,73 \
        --output=phrases
    wavenet-ae render-phrases FONT.sf2 --instruments=42 --midi=my_midi_files --output=phrases

Every instrument gets a folder (acoustic_grand_piano, violin and flute) of WAV files of 20 to 60 s,
and beside each the MIDI file of its notes. The melodies are drawn at random by rule, so that nobody
has rights in them; --midi takes files instead, of which all channels but drums are played. Music is
moved by octaves into the usual compass of each instrument. Then:

    wavenet-ae build-dataset --recordings=violin=phrases/violin --recordings=flute=phrases/flute \
        --data_dir=datasets

An interrupted call is resumed by the same command. Needs libfluidsynth3.
"""

from absl import flags

from wavenet_ae.cli.command_line import LARGEST_SEED, define_path, take_arguments
from wavenet_ae.data import nsynth
from wavenet_ae.system.errors import UserError

_SOUNDFONT = take_arguments(define_path("soundfont", "The sf2 or sf3 file."), required=True)
_OUTPUT = define_path("output", "The folder to write.", required=True)
_INSTRUMENTS = flags.DEFINE_list(
    "instruments",
    None,
    "General MIDI program numbers (0 to 127), instrument names (keyboard_acoustic_000) and families"
    " (organ), separated by commas.",
    required=True,
)
_MIDI = define_path("midi", "A MIDI file or a folder of them, instead of melodies by rule.")
_NUM_PHRASES = flags.DEFINE_integer(
    "num_phrases", 60, "How many melodies by rule.", lower_bound=1, upper_bound=10_000
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the melodies by rule.", lower_bound=0, upper_bound=LARGEST_SEED
)
_LOWEST = flags.DEFINE_integer(
    "lowest", 48, "Lowest MIDI pitch of the melodies, before they are moved by octaves."
)
_HIGHEST = flags.DEFINE_integer("highest", 84, "Highest one, an octave or more above it.")
_PROCESSES = flags.DEFINE_integer("processes", None, "Default: one per core.", lower_bound=1)

_OCTAVE = 12


def main() -> None:
    """Renders what the flags ask for and prints one line on the result."""
    from wavenet_ae.prepare.phrases import playing, render

    if _MIDI.value is not None:
        for name in ("num_phrases", "seed", "lowest", "highest"):
            if flags.FLAGS[name].present:
                raise UserError(f"--{name} is for melodies by rule: leave out --{name} or --midi.")
        phrases = playing.read_midi([_MIDI.value])
    else:
        lowest, highest = _LOWEST.value, _HIGHEST.value
        if not 0 <= lowest <= highest - _OCTAVE < nsynth.NUM_PITCHES - _OCTAVE:
            raise UserError(
                f"--lowest={lowest} and --highest={highest} must be MIDI pitches (0 to 127), an "
                "octave (12) or more apart."
            )
        phrases = render.compose_phrases(_NUM_PHRASES.value, _SEED.value, lowest, highest)
    print(
        render.render_phrases(
            _SOUNDFONT.value,
            _OUTPUT.value,
            phrases,
            _INSTRUMENTS.value,
            processes=_PROCESSES.value,
        )
    )
