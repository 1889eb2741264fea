r"""Builds a TFDS dataset from notes, long recordings, or performances with their MIDI files.

Usage: wavenet-ae build-dataset FOLDER... --data_dir=FOLDER
       wavenet-ae build-dataset --recordings=DOMAIN=FOLDER... --data_dir=FOLDER
       wavenet-ae build-dataset --performances=FOLDER... --data_dir=FOLDER

A folder of notes has NSynth's json/wav layout, examples.json and audio/*.wav, as a rendered
SoundFont has:

    wavenet-ae build-dataset notes --data_dir=datasets --split=by_note

Training reads it as `nsynth_json/by_note` from that --data_dir. The tool also takes a .tar.gz
archive of such a folder, and reads it without unpacking. NSynth's own release keeps its splits: put
nsynth-{train,valid,test}.jsonwav.tar.gz in one folder and pass that with --split=published. Where
one of them is also there unpacked, the unpacked files are read.

Several folders are joined into one dataset. An instrument whose name is taken gets the next free
number (two SoundFonts have a keyboard_acoustic_000 each); by_instrument holds an instrument out of
all folders or of none.

Recordings of any length and format, for translation between domains such as instruments:

    wavenet-ae build-dataset --recordings=flute=FOLDER --recordings=cello=FOLDER \
        --name=duo --data_dir=datasets

Each domain has a folder, with at least three files. Training reads them as `recordings/duo`. Valid
and test hold a tenth of each domain's files; files of one name in all domains go together.

Performances, for the WaveNet that plays MIDI files:

    wavenet-ae build-dataset --performances=my_piano --name=piano --data_dir=datasets

Each sound file has the MIDI file of its notes beside it, under the same name. Training reads them
as `performances/piano`. Valid and test hold a tenth of the pieces. A folder with MAESTRO's table
(maestro-v3.0.0.csv or .json) is read as the table says, with its splits.
"""

import re
from pathlib import Path

from absl import flags

from wavenet_ae.cli.command_line import define_path, take_arguments
from wavenet_ae.system import counting
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.settings import local_path

_NOTES = take_arguments(
    define_path("notes", "A folder of notes, or an archive of one.", multiple=True)
)
_RECORDINGS = flags.DEFINE_multi_string(
    "recordings",
    None,
    "DOMAIN=FOLDER, instead of notes: long recordings of a domain. Repeat it for each domain.",
)
_PERFORMANCES = define_path(
    "performances",
    "A folder of sound files, each with the MIDI file of its notes beside it, or MAESTRO's. May be"
    " repeated.",
    multiple=True,
)
_NAME = flags.DEFINE_string(
    "name", "all", "With --recordings or --performances: the dataset's name after the slash."
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "TFDS's folder of datasets; the new one goes below it.", required=True
)
_SPLIT = flags.DEFINE_enum(
    "split",
    "by_instrument",
    ["by_instrument", "by_note", "test_only", "published"],
    "How the notes are split into train, valid and test, 80, 10 and 10 %: by_instrument (valid and"
    " test hold instruments that train does not), by_note (other notes of the same instruments),"
    " test_only (all notes into the split test) or published (as"
    " nsynth-{train,valid,test}.jsonwav.tar.gz, unpacked or not).",
)
_TRAIN_ONLY = define_path(
    "train_only",
    "More notes that all go to train, as those of render-synthetic: the others are split as if they"
    " were not there. With --split=by_instrument or by_note; may be repeated.",
    multiple=True,
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Build again, replacing what exists.")


def main() -> None:
    """Builds the dataset and says what is in it."""
    if _RECORDINGS.value and _PERFORMANCES.value:
        raise UserError("--recordings and --performances make different datasets: leave one out.")
    if _RECORDINGS.value:
        _build_recordings()
    elif _PERFORMANCES.value:
        _build_performances()
    else:
        _build_notes()


def _build_notes() -> None:
    from wavenet_ae.prepare.nsynth_json.build import build

    if not _NOTES.value:
        raise UserError(
            "no input is given: name a folder of notes, or give --recordings=... or "
            "--performances=..."
        )
    if flags.FLAGS["name"].present:
        raise UserError("--name is for --recordings and --performances: leave it out.")
    dataset = build(
        _NOTES.value,
        _DATA_DIR.value,
        _SPLIT.value,
        train_only=_TRAIN_ONLY.value or (),
        overwrite=_OVERWRITE.value,
    )
    if not dataset.is_new:
        print(f"{dataset.path} has already been built from these notes.")
        return
    for split, size in dataset.splits.items():
        print(f"{split}: {counting.count(size.notes, 'note')}, instruments: {size.instruments}")
    for path, number in dataset.unnamed_sounds.items():
        found = counting.count(number, "sound")
        print(f"passed over, not listed in examples.json: {found} of {path}")
    print(f"built {dataset.path}")


def _build_recordings() -> None:
    from wavenet_ae.prepare.long_recordings.build import build

    _check_flags("recordings")
    dataset = build(
        _read_domains(_RECORDINGS.value), _DATA_DIR.value, _NAME.value, overwrite=_OVERWRITE.value
    )
    if not dataset.is_new:
        print(f"{dataset.path} has already been built from these recordings.")
        return
    for split, domains in dataset.splits.items():
        sizes = (
            f"{domain} {counting.count(size.recordings, 'recording')} ({size.seconds / 60:.1f} min)"
            for domain, size in domains.items()
        )
        print(f"{split}: {', '.join(sizes)}")
    print(f"built {dataset.path}")


def _build_performances() -> None:
    from wavenet_ae.prepare.performances.build import build

    _check_flags("performances")
    dataset = build(_PERFORMANCES.value, _DATA_DIR.value, _NAME.value, overwrite=_OVERWRITE.value)
    if not dataset.is_new:
        print(f"{dataset.path} has already been built from these performances.")
        return
    for split, size in dataset.splits.items():
        performances = counting.count(size.performances, "performance")
        notes = counting.count(size.notes, "note")
        print(f"{split}: {performances} ({size.seconds / 60:.1f} min), {notes}")
    print(f"built {dataset.path}")


def _check_flags(kind: str) -> None:
    """Raises a UserError for flags that are not for long sounds, or a name that cannot be one."""
    for name in ("notes", "split", "train_only"):
        if flags.FLAGS[name].present:
            raise UserError(f"--{name} is for notes, not for --{kind}: leave one of them out.")
    if not re.fullmatch(r"[\w-]+", _NAME.value):
        raise UserError(
            f"--name={_NAME.value}: it has letters, digits, '_' and '-' only: choose another."
        )


def _read_domains(words: list[str]) -> dict[str, Path]:
    """Returns the folders by domain."""
    folders: dict[str, Path] = {}
    for word in words:
        domain, equals, folder = word.partition("=")
        if not (domain and equals and folder):
            raise UserError(f"--recordings={word}: write it as DOMAIN=FOLDER, as flute=my_flute.")
        if domain in folders:
            raise UserError(
                f"--recordings={word}: {domain!r} has the folder {folders[domain]} already: give "
                "each domain one folder."
            )
        folders[domain] = local_path("--recordings", folder)
    return folders
