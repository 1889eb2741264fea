"""The official builder of TFDS, over a release in miniature, with Beam."""

import functools
import http.server
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import nsynth_release
import numpy as np
import pytest
import requests
import tensorflow_datasets as tfds
from absl import flags
from entry_points import ROOT, assert_refused, run
from etils import epath
from tensorflow_datasets.core.download import checksums, extractor
from tensorflow_datasets.datasets.nsynth import nsynth_dataset_builder

from wavenet_ae.data import nsynth
from wavenet_ae.data.input_pipeline import evaluation_batches, open_split, training_batches
from wavenet_ae.prepare.nsynth_json.build import build
from wavenet_ae.prepare.releases import official_nsynth, release_archives, tfrecord
from wavenet_ae.system.errors import MachineError, UserError
from wavenet_ae.training.loop import train_and_evaluate


def checksums_of(release):
    """What the builder expects of each file, for the miniature."""
    prefix = nsynth_dataset_builder._BASE_DOWNLOAD_PATH
    return {
        prefix + path.name.removeprefix("nsynth-"): checksums.compute_url_info(path)
        for path in release.glob("nsynth-*")
        if "jsonwav" not in path.name
    }


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("release")
    nsynth_release.write_tfrecords(folder)
    nsynth_release.write_jsonwav(folder)
    return folder


@pytest.fixture
def miniature(release, monkeypatch):
    """The release, which the builder takes for the published one."""
    monkeypatch.setattr(nsynth_dataset_builder.Builder, "url_infos", checksums_of(release))
    return release


@pytest.fixture(scope="module")
def datasets(release, tmp_path_factory):
    """TFDS's folder with both forms of the release, and GANSynth's subset."""
    data_dir = tmp_path_factory.mktemp("datasets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nsynth_dataset_builder.Builder, "url_infos", checksums_of(release))
        for config in official_nsynth.NUM_NOTES:
            official_nsynth.prepare(
                config, str(data_dir), manual_dir=release, check_resources=False
            )
    build(release, data_dir, "published")
    return data_dir


@pytest.fixture
def _tfds_unpacks_nothing(monkeypatch):
    def refuse(*_):
        raise AssertionError("a file of 74 GB would be held in memory")

    monkeypatch.setattr(extractor._Extractor, "extract", refuse)


def all_notes(name, data_dir):
    return {split: list(open_split(name, str(data_dir), split)) for split in nsynth.SPLITS}


def test_the_official_dataset_holds_the_release(datasets):
    for split, notes in all_notes("nsynth/full", datasets).items():
        expected = nsynth_release.labels(split)
        assert {note["id"] for note in notes} == set(expected)
        for note in notes:
            entry = expected[note["id"]]
            sound = nsynth_release.sound(note["id"]) / np.float32(32_768)
            np.testing.assert_array_equal(note["audio"], sound)
            assert note["pitch"] == entry["pitch"]
            assert note["velocity"] == entry["velocity"]
            assert note["family"] == entry["instrument_family"]
            assert note["source"] == entry["instrument_source"]
            assert note["qualities"].tolist() == list(map(bool, entry["qualities"]))
    assert not list((datasets / "downloads").glob("extracted/*nsynth*"))


def test_reading_needs_no_tensorflow(datasets, tmp_path):
    """TFDS's own features for sounds would."""
    (tmp_path / "tensorflow.py").write_text("raise ModuleNotFoundError('not installed')")
    code = (
        "import sys\n"
        "from wavenet_ae.data.input_pipeline import open_split\n"
        "print(open_split('nsynth/full', sys.argv[1], 'train')[0]['id'])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, datasets],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    expected = open_split("nsynth/full", str(datasets), "train")[0]["id"]
    assert result.stdout.strip() == expected, result.stderr


def test_gansynths_subset(datasets):
    notes = all_notes("nsynth/gansynth_subset", datasets)
    found = {split: {note["id"] for note in notes[split]} for split in notes}
    assert found == {s: set(ids) for s, ids in nsynth_release.gansynth_splits().items()}


def test_both_published_forms_give_identical_batches(datasets):
    official, ours = (
        {split: open_split(name, str(datasets), split) for split in nsynth.SPLITS}
        for name in ("nsynth/full", "nsynth_json/published")
    )
    count = 0
    for split in nsynth.SPLITS:
        pairs = zip(
            evaluation_batches(official[split], batch_size=2, crop_samples=None),
            evaluation_batches(ours[split], batch_size=2, crop_samples=None),
            strict=True,
        )
        for first, second in pairs:
            assert_same(first, second)
            count += 1
    settings = {"seed": 3, "batch_size": 4, "crop_samples": 1000}
    streams = [training_batches(notes["train"], **settings) for notes in (official, ours)]
    for _ in range(6):  # more than two epochs
        assert_same(*map(next, streams))
    assert count == 5 + 2 + 2


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name, values in first.items():
        assert values.dtype == second[name].dtype
        np.testing.assert_array_equal(values, second[name])


def test_training_on_the_official_dataset(datasets, tiny_config, tmp_path):
    flags.FLAGS.mark_as_parsed()  # Grain's workers hand the flags on
    config = json.loads(tiny_config)
    config["dataset"] |= {"name": "nsynth/full", "data_dir": str(datasets), "num_workers": 1}
    config |= {"num_steps": 2, "log_every_steps": 1, "eval_every_steps": 2}
    train_and_evaluate(config, tmp_path, lambda *_: None)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    losses = [line["train/loss"] for line in lines if "train/loss" in line]
    assert len(losses) == 2
    assert np.isfinite(losses).all()
    assert any("valid/loss" in line for line in lines)


def test_tfrecords_of_others_are_converted(datasets, release, miniature, tmp_path):
    """Records and their order, also after an interruption."""
    source = tmp_path / "theirs"
    builder = tfds.builder("nsynth/full", data_dir=source)
    builder.download_and_prepare(
        download_dir=tmp_path / "downloads",
        download_config=tfds.download.DownloadConfig(
            manual_dir=release, beam_options=local_beam_options(), num_shards=2
        ),
    )
    with pytest.raises(UserError, match=r"stored as tfrecord.*--tfrecord=.*/nsynth/full/2.3.3"):
        open_split("nsynth/full", str(source), "train")
    ours = tmp_path / "ours"
    version = source / "nsynth" / "full" / "2.3.3"
    with pytest.raises(UserError, match="name another folder"):
        tfrecord.convert(version, str(source))
    damaged = next(version.glob("nsynth-train.tfrecord-00001-*"))
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1000])
    with pytest.raises(UserError, match=r"nsynth-train\.tfrecord-00001-of-00002 is damaged"):
        tfrecord.convert(version, str(ours))
    with pytest.raises(UserError, match="there is no dataset 'nsynth/full'"):
        open_split("nsynth/full", str(ours), "train")
    first = next(ours.rglob("nsynth-train.array_record-00000-*")).stat()
    damaged.write_bytes(whole)
    converted = tfrecord.convert(version, str(ours))
    assert converted.is_new
    assert converted.num_notes == nsynth_release.NUM_NOTES
    assert next(ours.rglob("nsynth-train.array_record-00000-*")).stat() == first
    assert not tfrecord.convert(version, str(ours)).is_new
    for split, notes in all_notes("nsynth/full", ours).items():
        others = list(open_split("nsynth/full", str(datasets), split))
        for note, expected in zip(notes, others, strict=True):
            assert note["id"] == expected["id"]
            np.testing.assert_array_equal(note["audio"], expected["audio"])


def local_beam_options():
    from apache_beam.options.pipeline_options import PipelineOptions

    return PipelineOptions(["--runner=FnApiRunner"])


def test_what_cannot_be_converted(datasets, tmp_path):
    version = datasets / "nsynth" / "full" / "2.3.3"
    with pytest.raises(UserError, match="stored as array_record: only TFRecord"):
        tfrecord.convert(version, str(tmp_path))
    with pytest.raises(UserError, match="holds no complete TFDS dataset: name the folder of one"):
        tfrecord.convert(version.parent, str(tmp_path))
    (tmp_path / "dataset_info.json").write_text("{")
    with pytest.raises(UserError, match="holds no complete TFDS dataset"):
        tfrecord.convert(tmp_path, str(tmp_path))
    with pytest.raises(UserError, match=r"gs://bucket/datasets is not on this machine"):
        tfrecord.convert(version, "gs://bucket/datasets")


def test_archives_are_unpacked_whole_or_not_at_all(tmp_path):
    content = np.random.default_rng(0).bytes(40_000_000)
    packed = epath.Path(tmp_path / "nsynth-test.tfrecord.tar")
    with tarfile.open(packed, "w") as archive:
        for name in ("./a-00000-of-00002", "a-00001-of-00002"):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    whole = packed.read_bytes()
    packed.write_bytes(whole[:-30_000_000])
    with pytest.raises(UserError, match=r"nsynth-test\.tfrecord\.tar is not a complete archive"):
        release_archives._unpack(packed, epath.Path(tmp_path / "extracted"))
    target = tmp_path / "extracted" / "TAR.nsynth-test.tfrecord.tar"
    assert not target.exists()
    packed.write_bytes(whole)
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match=r"cannot be unpacked to .*/file/extracted"):
        release_archives._unpack(packed, epath.Path(tmp_path / "file" / "extracted"))
    release_archives._unpack(packed, epath.Path(tmp_path / "extracted"))
    assert {p.name for p in target.iterdir()} == {"a-00000-of-00002", "a-00001-of-00002"}
    assert all(path.read_bytes() == content for path in target.iterdir())
    kept = (target / "a-00000-of-00002").stat()
    release_archives._unpack(packed, epath.Path(tmp_path / "extracted"))
    assert (target / "a-00000-of-00002").stat() == kept


def test_what_has_been_built_is_left_alone(datasets, miniature):
    prepared = official_nsynth.prepare("full", str(datasets), manual_dir=miniature)
    assert not prepared.is_new
    assert prepared.num_notes == nsynth_release.NUM_NOTES


def refused(tmp_path, message, **settings):
    with pytest.raises(UserError, match=message) as caught:
        official_nsynth.prepare("full", str(tmp_path / "datasets"), **settings)
    assert not list(tmp_path.rglob("dataset_info.json"))
    return caught.value


def test_files_that_are_not_the_published_ones(release, miniature, tmp_path):
    folder = tmp_path / "manual"
    refused(tmp_path, "holds none of NSynth's files", manual_dir=folder)
    shutil.copytree(release, folder)
    archive = folder / "nsynth-test.tfrecord.tar"
    content = bytearray(archive.read_bytes())
    archive.write_bytes(content[:-512])
    refused(
        tmp_path, r"nsynth-test.tfrecord.tar has [\d,]+ bytes, the published", manual_dir=folder
    )
    content[5000] ^= 1
    archive.write_bytes(content)
    error = refused(tmp_path, "checksum differs", manual_dir=folder, check_resources=False)
    assert str(archive) in str(error)
    assert archive.exists()


def test_too_little_disk_or_memory(monkeypatch, tmp_path):
    """The published release: 78 GB to download, as many to unpack, and as many to build."""
    usage = shutil.disk_usage(tmp_path)
    gb = 10**9
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=230 * gb))
    refused(tmp_path, "nsynth/full/2.3.3 needs 235 GB on the disk of .*, and 230 GB are free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=240 * gb))
    memory = official_nsynth.psutil.virtual_memory()
    monkeypatch.setattr(
        official_nsynth.psutil, "virtual_memory", lambda: memory._replace(available=300 * gb)
    )
    refused(tmp_path, "in memory, for nsynth/full about 338 GB, and 300 GB are available: use")


def test_beams_options_are_checked_before_anything_is_loaded(tmp_path):
    refused(tmp_path, "Beam has no option --runer=x", beam_options=["runer=x"])
    refused(tmp_path, "Unexpected pipeline runner: Xrunner", beam_options=["runner=Xrunner"])
    dataflow = ["runner=DataflowRunner", "project=music", "temp_location=gs://bucket/temp"]
    refused(tmp_path, "Missing required option: region", beam_options=dataflow)


def test_a_failed_download_names_the_other_way(monkeypatch, tmp_path):
    def fail(*_, **__):
        raise requests.ConnectionError("no route to host")

    monkeypatch.setattr(requests.Session, "get", fail)
    with pytest.raises(MachineError, match=r"no route to host.*--manual_dir"):
        official_nsynth.prepare("full", str(tmp_path), check_resources=False)
    assert not list(tmp_path.rglob("incomplete*"))


@pytest.mark.parametrize(
    ("beams_words", "expected", "message"),
    [
        ("KeyboardInterrupt [while running 'Serialize']", KeyboardInterrupt, None),
        (
            "trace\nOSError: No space left on device [while",
            UserError,
            "2.3.3 cannot be written: OSE",
        ),
        ("ZeroDivisionError [while running 'Serialize']", RuntimeError, "ZeroDivisionError"),
    ],
)
def test_what_beam_makes_of_exceptions(
    release, miniature, monkeypatch, tmp_path, beams_words, expected, message
):
    def fail(*_, **__):
        raise RuntimeError(beams_words)

    monkeypatch.setattr(nsynth_dataset_builder.Builder, "download_and_prepare", fail)
    with pytest.raises(expected, match=message):
        official_nsynth.prepare("full", str(tmp_path), manual_dir=release, check_resources=False)


@pytest.mark.usefixtures("_tfds_unpacks_nothing")
def test_a_build_that_was_killed_leaves_its_place(release, miniature, tmp_path):
    leftover = tmp_path / "nsynth" / "full" / "incomplete.ABC_2.3.3"
    leftover.mkdir(parents=True)
    (leftover / "nsynth-train.array_record-00000-of-00001").touch()
    official_nsynth.prepare("full", str(tmp_path), manual_dir=release, check_resources=False)
    assert not leftover.exists()


def test_progress_tells_of_the_files_that_are_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(official_nsynth, "bar_interval_s", lambda: 0.01)
    unfinished = tmp_path / "incomplete.ABC_2.3.3"
    unfinished.mkdir()
    with official_nsynth._progress(tmp_path, 305_979):
        for name in ("train.array_record-00000-of-00030", "test.array_record-00001-of-00002"):
            (unfinished / f"nsynth-{name}").touch()
        (unfinished / "nsynth-train.array_record-00001-of-00030.incomplete").touch()
        shown = ""
        deadline = time.monotonic() + 10
        while "written" not in shown and time.monotonic() < deadline:
            time.sleep(0.01)
            shown += capsys.readouterr().err
    assert "reading 305,979 notes and sorting them in memory [00:00]" in shown
    assert "2 of 32 files written [00:0" in shown


@pytest.mark.slow
def test_the_command(release, tmp_path):
    """Over the miniature, whose checksums are put in the place of the published ones."""
    code = f"""
import runpy, sys
sys.path[:0] = [{str(ROOT / "tests")!r}, {str(Path(__file__).parent)!r}]
import pathlib, test_official_nsynth as test
infos = test.checksums_of(pathlib.Path({str(release)!r}))
test.nsynth_dataset_builder.Builder.url_infos = infos
sys.argv[1:1] = ["prepare-nsynth"]
runpy.run_module("wavenet_ae", run_name="__main__")
"""
    result = subprocess.run(
        [
            *(sys.executable, "-c", code, "--dataset=nsynth/gansynth_subset"),
            *(f"--data_dir={tmp_path}", f"--manual_dir={release}", "--nocheck_resources"),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[:3] == ["train: 5 notes", "valid: 2 notes", "test: 2 notes"]
    assert result.stdout.endswith(f"built {tmp_path}/nsynth/gansynth_subset/2.3.3\n")
    assert "reading" in result.stderr
    assert_refused(
        run("prepare-nsynth", f"--data_dir={tmp_path}", f"--manual_dir={tmp_path / 'no'}"),
        "holds none of NSynth's files",
    )


@pytest.fixture
def downloads(release, monkeypatch):
    """Serves the release in the place of the published one."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=release)
    get = requests.Session.get
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        address = f"http://127.0.0.1:{server.server_port}/"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(
            requests.Session,
            "get",
            lambda session, url, **settings: get(
                session, address + url.rpartition("/")[2], **settings
            ),
        )
        yield
        server.shutdown()


@pytest.mark.usefixtures("_tfds_unpacks_nothing")
def test_downloads_are_kept_and_what_is_unpacked_is_deleted(miniature, downloads, tmp_path):
    """TFDS gives downloads other names than the published files have."""
    extracted = tmp_path / "downloads" / "extracted"
    builder = tfds.builder("nsynth/full", data_dir=tmp_path)
    for unpacked in release_archives._unpacked_names(builder):
        (extracted / f"incomplete.0123_{unpacked}").mkdir(parents=True)
    (extracted / "TAR.of-another-dataset.tar").mkdir()
    official_nsynth.prepare("full", str(tmp_path), check_resources=False)
    assert [path.name for path in extracted.iterdir()] == ["TAR.of-another-dataset.tar"]
    kept = [p.stat().st_size for p in (tmp_path / "downloads").rglob("*.tar") if p.is_file()]
    assert sorted(kept) == sorted(p.stat().st_size for p in miniature.glob("*.tfrecord.tar"))


def test_other_datasets_downloads_do_not_count(monkeypatch, tmp_path):
    others = tmp_path / "downloads" / "imagenet.tar"
    others.parent.mkdir()
    with others.open("wb") as file:
        file.truncate(240 * 10**9)  # takes no room on the disk
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=230 * 10**9))
    with pytest.raises(UserError, match="needs 235 GB"):
        official_nsynth.prepare("full", str(tmp_path))
