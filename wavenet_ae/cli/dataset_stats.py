"""Counts what a dataset holds, and reports what to know before training on it.

Usage: wavenet-ae dataset-stats [FOLDER] --output=FOLDER

    wavenet-ae dataset-stats --dataset=nsynth_json/by_note --data_dir=datasets --output=DIR
    wavenet-ae dataset-stats notes --output=DIR

counts notes by family and source as the paper's table does, pitches, velocities, instruments and
qualities; looks for silent and clipped sounds, for duplicate names and sounds, and for instruments
in two splits; and computes a fingerprint. --notes takes a folder with
examples.json and audio/, or one with nsynth-train, nsynth-valid and nsynth-test, or some of them;
with --metadata_only the examples.json are enough. Findings do not change the exit code: it
is 0 once dataset.json, dataset.md and report.html are written.
"""

from absl import flags

from wavenet_ae.cli.command_line import define_path, take_arguments
from wavenet_ae.system.errors import UserError

_DATASET = flags.DEFINE_string("dataset", None, "TFDS's name: nsynth_json/by_note, nsynth/full.")
_DATA_DIR = flags.DEFINE_string("data_dir", "datasets", "TFDS's folder of datasets.")
_NOTES = take_arguments(define_path("notes", "A folder of notes, instead of a dataset."))
_SPLITS = flags.DEFINE_list("splits", [], "Only these, such as train,valid; default: all.")
_METADATA_ONLY = flags.DEFINE_bool("metadata_only", False, "Read the labels only, not the sounds.")
_OUTPUT = define_path("output", "The folder to write.", required=True)


def main() -> None:
    """Reads, counts, prints and writes."""
    if (_DATASET.value is None) == (_NOTES.value is None):
        raise UserError("give either --dataset with --data_dir, or --notes.")
    from wavenet_ae.evaluation import dataset_document
    from wavenet_ae.prepare.statistics.collection import collect
    from wavenet_ae.prepare.statistics.description import describe
    from wavenet_ae.prepare.statistics.splits import open_dataset, open_notes

    dataset_document.FILES.check(_OUTPUT.value)
    wanted = list(dict.fromkeys(_SPLITS.value))
    with_sounds = not _METADATA_ONLY.value
    if _NOTES.value is not None:
        splits = open_notes(_NOTES.value, wanted, with_sounds=with_sounds)
        data = {"notes": str(_NOTES.value)}
    else:
        splits = open_dataset(_DATASET.value, _DATA_DIR.value, wanted)
        data = {"dataset": _DATASET.value, "data_dir": _DATA_DIR.value}
    described = describe(collect(splits, with_sounds=with_sounds), data)
    print(dataset_document.summary(described))
    document = dataset_document.document(described)
    page = dataset_document.FILES.write(_OUTPUT.value, document, described)
    print(f"open {page} in a browser")
