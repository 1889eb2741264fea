import contextlib
import os

import google_cloud
import pytest
from tensorboardX.proto.event_pb2 import Event

from wavenet_ae.system import atomic_file, buckets
from wavenet_ae.system.errors import MachineError, UserError
from wavenet_ae.training import metrics
from wavenet_ae.training.metrics import MetricsLog, read_metrics


@pytest.fixture(scope="module")
def bucket():
    with google_cloud.serving_bucket() as cloud, pytest.MonkeyPatch.context() as patch:
        for name, value in cloud.items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def folder(bucket, request):
    return buckets.path("--workdir", f"gs://bucket/{request.node.name}")


def test_only_files_that_have_changed_are_uploaded(folder):
    checks = []
    with buckets.Uploads(folder, lambda: checks.append(folder.exists())) as up:
        (up.folder / "deep").mkdir()
        (up.folder / "deep/one").write_text("1")
        (up.folder / "two").write_text("2")
        up.flush()
        assert (folder / "deep/one").read_text() == "1"
        (folder / "two").unlink()
        (up.folder / "deep/one").write_text("11")
        up.start()
        up.flush()
        assert [p.name for p in folder.iterdir()] == ["deep"]
        (up.folder / "last").write_text("3")
    assert (folder / "deep/one").read_text() == "11"
    assert (folder / "last").read_text() == "3"
    assert checks[:2] == [False, True]
    assert not up.folder.exists()


def test_an_upload_that_is_not_allowed_or_fails_is_reported(folder, monkeypatch):
    def refuse():
        raise UserError("another run has it.")

    def write(*names, check):
        with buckets.Uploads(folder, check) as up:
            for name in names:
                (up.folder / name).write_text(name)

    with pytest.raises(UserError, match="another run has it"):
        write("one", check=refuse)
    assert not folder.exists()

    def refuse_after_one():
        if (folder / "a").exists():
            refuse()

    with pytest.raises(UserError, match="another run has it"):
        write("a", "b", check=refuse_after_one)
    assert [path.name for path in folder.iterdir()] == ["a"]

    def no_network(*_):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(type(folder), "write_bytes", no_network)
    with pytest.raises(MachineError, match=r"bucket/.* \(no route to host\): check the bucket's"):
        write("one", check=lambda: None)


def test_a_local_folder_is_written_at_once(tmp_path):
    with buckets.Uploads(tmp_path) as up:
        assert up.folder == tmp_path
        up.start()
        up.flush()
    assert tmp_path.exists()


def test_a_file_is_replaced_or_stays(folder):
    path = folder / "config.json"
    with atomic_file.replacing(path) as temporary:
        temporary.write_text("first")
    with contextlib.suppress(KeyError), atomic_file.replacing(path) as temporary:
        temporary.write_text("second")
        raise KeyError
    assert path.read_text() == "first"
    assert not os.path.exists(temporary)


def test_events_are_in_several_files_and_metrics_in_one(folder, monkeypatch):
    monkeypatch.setattr(metrics, "_PART_BYTES", 200)
    with buckets.Uploads(folder) as up, MetricsLog(folder, up, 0, 9, 64) as log:
        for step in range(1, 7):
            log.write(step, {"train/loss": 1 / step})
    with buckets.Uploads(folder) as up, MetricsLog(folder, up, 4, 9, 64) as log:  # it was killed
        log.write(5, {"train/loss": 0.5})
    assert [line["step"] for line in read_metrics(folder)] == [1, 2, 3, 4, 5]
    parts = sorted(path for path in folder.iterdir() if "tfevents" in path.name)
    assert len(parts) > 3
    losses = [
        (event.step, round(value.simple_value, 3))
        for part in parts
        for event in read_events(part.read_bytes())
        for value in event.summary.value
        if value.tag == "train/loss"
    ]
    assert losses == [*((s, round(1 / s, 3)) for s in range(1, 7)), (5, 0.5)]


def read_events(content):
    """Reads records of TensorFlow: their size in 8 bytes, a checksum of 4, themselves, another."""
    while content:
        size = int.from_bytes(content[:8], "little")
        yield Event.FromString(content[12 : 12 + size])
        content = content[16 + size :]


@pytest.mark.parametrize(
    "url", ["gs://", "gs://bucket", "gs://bucket/", "s3://bucket/x", "gs:///x"]
)
def test_what_names_no_folder_of_a_bucket_is_refused(url):
    with pytest.raises(UserError, match=f"^--workdir={url} must be a folder on this machine, or"):
        buckets.path("--workdir", url)
