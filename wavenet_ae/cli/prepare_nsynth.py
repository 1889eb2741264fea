"""Builds NSynth as TFDS has it, `nsynth/full` or `nsynth/gansynth_subset`, as array_record.

Usage: wavenet-ae prepare-nsynth --data_dir=FOLDER

    wavenet-ae prepare-nsynth --dataset=nsynth/full --data_dir=datasets

downloads 78 GB, unpacks and builds them with TFDS's own builder and Apache Beam; an interrupted
call restarts the build but keeps finished downloads. Files that have been downloaded already are
taken from --manual_dir. Beam's local runner holds the whole dataset in memory; on Google Cloud

    --beam_pipeline_options=runner=DataflowRunner,project=...,region=...,temp_location=gs://...

builds it elsewhere (TFDS's guide to Beam says what its workers need). A dataset that others
prepared is read as it is, if it is array_record; from TFRecord it is converted, in little memory:

    wavenet-ae prepare-nsynth --tfrecord=FOLDER/nsynth/full/2.3.3 --data_dir=datasets

Needs TensorFlow and Beam: pip install -e '.[nsynth]'. The json/wav archives (25 GB) are the lighter
way to the same notes: wavenet-ae build-dataset.
"""

from absl import flags

from wavenet_ae.cli.command_line import define_path

_DATASET = flags.DEFINE_enum(
    "dataset", "nsynth/full", ["nsynth/full", "nsynth/gansynth_subset"], "What to build."
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "TFDS's folder of datasets; the new one goes below it.", required=True
)
_MANUAL_DIR = define_path(
    "manual_dir", "A folder with downloaded files, named as published (nsynth-train.tfrecord.tar)."
)
_DOWNLOAD_DIR = flags.DEFINE_string("download_dir", None, "Default: downloads in --data_dir.")
_BEAM = flags.DEFINE_list(
    "beam_pipeline_options", [], "Beam's options without their dashes, as `tfds build` takes them."
)
_CHECK = flags.DEFINE_bool("check_resources", True, "Refuse to begin with too little disk or RAM.")
_TFRECORD = define_path("tfrecord", "A prepared dataset to convert instead: the version's folder.")


def main() -> None:
    """Builds or converts, and says what is there."""
    from wavenet_ae.prepare.releases import official_nsynth, tfrecord

    if _TFRECORD.value:
        dataset = tfrecord.convert(_TFRECORD.value, _DATA_DIR.value)
    else:
        dataset = official_nsynth.prepare(
            _DATASET.value.removeprefix("nsynth/"),
            _DATA_DIR.value,
            manual_dir=_MANUAL_DIR.value,
            download_dir=_DOWNLOAD_DIR.value,
            beam_options=_BEAM.value,
            check_resources=_CHECK.value,
        )
    if not dataset.is_new:
        print(f"{dataset.path} exists already.")
        return
    for split, num_notes in dataset.num_notes.items():
        print(f"{split}: {num_notes:,} notes")
    print(f"built {dataset.path}")
