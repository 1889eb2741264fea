"""Imports recordings, one note a file, into NSynth's json/wav layout.

Usage: wavenet-ae import-notes FOLDER --output=FOLDER

    wavenet-ae import-notes recordings --output=notes
    wavenet-ae import-notes recordings --labels=labels.csv --pitch_tracker=pyin --output=notes

Instrument, pitch and velocity come from --labels=TABLE.csv, else from the files' names, such as
bass_synthetic_033-022-050, Piano_C4_100 or "flute 60" (C4 is 60); --pitch_tracker=pyin finds the
pitch of other files. Dynamics (Piano.mf.C4) and velocity layers (C4v3) become velocities. Names of
another scheme are read with --pattern='{instrument}_{pitch}_{dynamic}_{ignore}'; what it makes of
the first is shown before anything is written. Notes are cut or padded to 4 s, 16 kHz, mono. A file
that cannot become a note is reported with the reason, the others are still imported, and the exit
code is 1. The same command resumes an interrupted import, and imports new and changed files.
"""

from absl import flags

from wavenet_ae.cli.command_line import define_path, take_arguments
from wavenet_ae.data import nsynth
from wavenet_ae.prepare.recordings import recordings
from wavenet_ae.prepare.recordings.name_pattern import NamePattern
from wavenet_ae.prepare.recordings.note_labels import Defaults
from wavenet_ae.prepare.recordings.note_sound import SoundOptions

_INPUT = take_arguments(
    define_path("input", "The folder of recordings; searched recursively."), required=True
)
_OUTPUT = define_path("output", "The folder to write.", required=True)
_LABELS = define_path(
    "labels",
    "A table, .csv or .json: file (path or name), and any of instrument, pitch, velocity, family, "
    "source, qualities (names divided by ;).",
)
_PITCH_TRACKER = flags.DEFINE_enum(
    "pitch_tracker", None, ["pyin"], "Finds the pitch where neither the table nor the name has it."
)
_NAMES = flags.DEFINE_bool("names", True, "Read instrument, pitch and velocity from files' names.")
_PATTERN = flags.DEFINE_string(
    "pattern",
    None,
    "How to read the names, as '{pitch}v{layer}': the parts are instrument, pitch, velocity, "
    "dynamic (mf), layer, family, source, qualities and ignore; with / the folders, too.",
)
_VELOCITY = flags.DEFINE_integer("velocity", 100, "Where neither table nor name has it.", 1, 127)
_FAMILY = flags.DEFINE_enum("family", None, nsynth.FAMILIES, "Where neither table nor name has it.")
_SOURCE = flags.DEFINE_enum("source", None, nsynth.SOURCES, "Where neither table nor name has it.")
_TRIM = flags.DEFINE_float(
    "trim",
    SoundOptions().trim_db,
    "Cut off what is this many dB weaker before the onset; 0: keep.",
    lower_bound=0,
)
_NORMALIZE = flags.DEFINE_float(
    "normalize",
    None,
    "Scale each note's peak to this level in dBFS, such as -1; default: no change.",
    upper_bound=0,
)
_LONG = flags.DEFINE_enum("long", "cut", ["cut", "refuse"], "What to do with more than 4 s.")
_PROCESSES = flags.DEFINE_integer("processes", None, "Default: one per core.", lower_bound=1)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replace the notes that --output holds.")


def main() -> int:
    """Imports what the flags ask for; the exit code is 1 if a file was refused."""
    pattern = None if _PATTERN.value is None else NamePattern(_PATTERN.value)
    imported = recordings.import_notes(
        _INPUT.value,
        _OUTPUT.value,
        table=_LABELS.value,
        defaults=Defaults(_VELOCITY.value, _FAMILY.value, _SOURCE.value, _NAMES.value, pattern),
        sound=SoundOptions(_TRIM.value, _NORMALIZE.value, _LONG.value == "refuse"),
        track_pitch=_PITCH_TRACKER.value is not None,
        processes=_PROCESSES.value,
        overwrite=_OVERWRITE.value,
    )
    print(imported.summary)
    return int(imported.refused > 0)
