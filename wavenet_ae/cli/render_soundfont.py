"""Renders a SoundFont into NSynth's json/wav layout, with FluidSynth.

Usage: wavenet-ae render-soundfont SOUNDFONT --output=FOLDER

    wavenet-ae render-soundfont /usr/share/sounds/sf3/FluidR3Mono_GM.sf3 --output=notes
    wavenet-ae render-soundfont piano.sf2 --instruments=0 --pitches=48:72:1 --output=notes

Renders a General MIDI font's melodic bank (97 instruments, 88 pitches, 5 velocities: 42,680 notes)
on all cores; an interrupted call is resumed by the same command. Needs libfluidsynth3.
"""

from absl import flags

from wavenet_ae.cli.command_line import define_path, parse_numbers, take_arguments
from wavenet_ae.data import nsynth
from wavenet_ae.prepare.soundfonts.soundfont import DEFAULT_GAIN, render_soundfont

_SOUNDFONT = take_arguments(define_path("soundfont", "The sf2 or sf3 file."), required=True)
_OUTPUT = define_path("output", "The folder to write.", required=True)
_INSTRUMENTS = flags.DEFINE_list(
    "instruments",
    [],
    "Instrument names (keyboard_acoustic_000), General MIDI program numbers (0 to 127) and "
    "families (organ), separated by commas; nothing for all.",
)
_PITCHES = flags.DEFINE_list(
    "pitches", ["21:108:1"], "MIDI pitches: first:last:step, or numbers separated by commas."
)
_VELOCITIES = flags.DEFINE_list(
    "velocities", [str(velocity) for velocity in nsynth.VELOCITIES], "MIDI velocities, likewise."
)
_GAIN = flags.DEFINE_float(
    "gain", DEFAULT_GAIN, "FluidSynth's gain; lower it if notes are reported as clipped."
)
_PROCESSES = flags.DEFINE_integer("processes", None, "Default: one per core.", lower_bound=1)


def main() -> None:
    """Renders what the flags ask for and prints one line on the result."""
    print(
        render_soundfont(
            _SOUNDFONT.value,
            _OUTPUT.value,
            instruments=_INSTRUMENTS.value,
            pitches=parse_numbers(_PITCHES.value, "pitches", 0, nsynth.NUM_PITCHES - 1),
            velocities=parse_numbers(_VELOCITIES.value, "velocities", 1, 127),
            gain=_GAIN.value,
            processes=_PROCESSES.value,
        )
    )
