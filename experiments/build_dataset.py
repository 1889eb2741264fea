"""Builds a TFDS dataset from a folder of notes in NSynth's json/wav layout.

The folder holds examples.json and audio/*.wav, as a rendered SoundFont or one of NSynth's own
archives does:

    python experiments/build_dataset.py --notes=notes --data_dir=datasets --split=by_note

The training reads it as `nsynth_json/by_note` from that --data_dir. NSynth's own release keeps
its splits: unpack nsynth-{train,valid,test}.jsonwav.tar.gz in one folder and pass it with
--split=published.
"""

from absl import flags

from wavenet_ae.command_line import define_path, run
from wavenet_ae.data.nsynth_json.build import CONFIGS, build

_NOTES = define_path("notes", "The folder of notes.", required=True)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "TFDS's folder of datasets; the new one goes below it.", required=True
)
_SPLIT = flags.DEFINE_enum(
    "split",
    "by_instrument",
    CONFIGS,
    "How the notes are split into train, valid and test, 80, 10 and 10 %: by_instrument (valid and"
    " test hold instruments that train does not), by_note (other notes of the same instruments),"
    " or published (as the folders nsynth-train, nsynth-valid and nsynth-test say).",
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Build anew, and replace what is there.")


def main() -> None:
    """Builds the dataset and says what is in it."""
    dataset = build(_NOTES.value, _DATA_DIR.value, _SPLIT.value, overwrite=_OVERWRITE.value)
    if not dataset.is_new:
        print(f"{dataset.path} has already been built from these notes.")
        return
    for split, size in dataset.splits.items():
        print(f"{split}: {size.notes} notes, instruments: {size.instruments}")
    print(f"built {dataset.path}")


if __name__ == "__main__":
    run(main)
