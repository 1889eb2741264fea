"""Builds a TFDS dataset from notes in NSynth's json/wav layout.

Usage: wavenet-ae build-dataset FOLDER... --data_dir=FOLDER

A folder of notes holds examples.json and audio/*.wav, as a rendered SoundFont does:

    wavenet-ae build-dataset notes --data_dir=datasets --split=by_note

Training reads it as `nsynth_json/by_note` from that --data_dir. The tool also takes a .tar.gz
archive of such a folder, and reads it without unpacking. NSynth's own release keeps its splits: put
nsynth-{train,valid,test}.jsonwav.tar.gz in one folder and pass that with --split=published. Where
one of them is also there unpacked, the unpacked files are read.

Several folders are joined into one dataset. An instrument whose name is taken gets the next free
number (two SoundFonts have a keyboard_acoustic_000 each); by_instrument holds an instrument out of
all folders or of none.
"""

from absl import flags

from wavenet_ae.cli.command_line import define_path, take_arguments

_NOTES = take_arguments(
    define_path("notes", "A folder of notes, or an archive of one.", multiple=True),
    required=True,
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
    from wavenet_ae.prepare.nsynth_json.build import build

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
        print(f"{split}: {size.notes} notes, instruments: {size.instruments}")
    for path, count in dataset.unnamed_sounds.items():
        print(f"passed over, as examples.json does not list them: {count} sounds of {path}")
    print(f"built {dataset.path}")
