import functools
import http.server
import os
import shutil
import threading
from pathlib import Path

import entry_points
import fsspec
import google_cloud
import model_hub
import numpy as np
import pytest

from wavenet_ae import pretrained
from wavenet_ae.system import downloads
from wavenet_ae.system.errors import UserError
from wavenet_ae.training import remote
from wavenet_ae.training.trained import load_trained

EXPORT = Path(pretrained.__file__).parent / "wavenet"
FILES = {path.name: path.read_bytes() for path in EXPORT.iterdir()}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WAVENET_AE_CACHE", str(tmp_path / "cache"))
    # With it gcsfs asks what kind of bucket it is by a protocol that the emulator does not speak.
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    return tmp_path / "cache"


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


@pytest.fixture
def bucket(memory, tiny_run):
    """memory://bucket with an export, and with a run of two complete checkpoints and a half one."""
    memory.put(str(EXPORT), "/bucket/export", recursive=True)
    memory.put(str(tiny_run), "/bucket/run", recursive=True)
    memory.put(str(tiny_run / "checkpoints/4"), "/bucket/run/checkpoints/2", recursive=True)
    memory.put(str(tiny_run / "checkpoints/4"), "/bucket/run/checkpoints/6", recursive=True)
    memory.rm("/bucket/run/checkpoints/6/_CHECKPOINT_METADATA")
    return memory


def assert_same_model(first, second):
    assert first.fingerprint == second.fingerprint
    np.testing.assert_array_equal(*(model.step for model in (first, second)))


def test_an_export_is_fetched_once_and_again_when_it_changes(bucket, monkeypatch):
    url = "memory://bucket/export"
    model = load_trained(url, "wavenet")
    assert_same_model(model, load_trained(EXPORT))
    assert model.describe()["folder"] == url
    opened = []
    plain_open = type(bucket).open
    monkeypatch.setattr(
        type(bucket),
        "open",
        lambda *a, **k: opened.append((a[1], *a[2:], *k.values())) or plain_open(*a, **k),
    )
    assert remote.fetch(url + "/") == model.folder
    assert opened == []
    bucket.pipe("/bucket/export/README.md", b"another")
    assert (remote.fetch(url) / "README.md").read_text() == "another"
    assert model.folder.exists()  # which another process may be reading


def test_of_a_run_the_newest_complete_checkpoint_is_taken_and_no_state_of_training(
    bucket, tiny_run
):
    folder = remote.fetch("memory://bucket/run")
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["4"]
    assert not (folder / "checkpoints/4/training").exists()
    assert_same_model(load_trained(folder), load_trained(tiny_run))
    # When the run has a newer one, the older goes away here, too.
    bucket.pipe("/bucket/run/checkpoints/6/_CHECKPOINT_METADATA", b'{"commit_timestamp_nsecs": 1}')
    folder = remote.fetch("memory://bucket/run")
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["6"]


def test_one_checkpoint_can_be_named(bucket):
    folder = remote.fetch("memory://bucket/run/checkpoints/2")
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["2"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("memory://bucket/nothing", "holds no model: name the folder of an export"),
        ("memory://bucket/run/checkpoints/6", "holds no model"),
        ("memory://bucket/run/checkpoints/x", "holds no model"),
        ("strange://bucket/run", "cannot be fetched (Protocol not known: strange"),
        ("http://localhost:9/export", "check the address, the network and your permission."),
        ("hf://owner", "is not of the form hf://OWNER/NAME"),
    ],
)
def test_what_cannot_be_fetched_is_said_in_a_sentence(bucket, url, reason, cache):
    with pytest.raises(UserError, match="^" + url) as caught:
        remote.fetch(url)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(cache.glob("*/*.safetensors"))


def test_an_interrupted_transfer_is_resumed(bucket, monkeypatch):
    read, size = [], len(FILES["model.safetensors"])
    plain_open = type(bucket).open
    monkeypatch.setattr(downloads, "_CHUNK_BYTES", size // 3)

    def open_and_fail(self, path, *args, **kwargs):
        file = plain_open(self, path, *args, **kwargs)
        if path.endswith("safetensors"):
            plain_read = file.read

            def counted(n):
                read.append(file.tell())
                if len(read) == 3:
                    raise KeyboardInterrupt
                return plain_read(n)

            file.read = counted
        return file

    monkeypatch.setattr(type(bucket), "open", open_and_fail)
    with pytest.raises(KeyboardInterrupt):
        remote.fetch("memory://bucket/export")
    folder = remote.fetch("memory://bucket/export")
    assert read[:3] == [0, size // 3, 2 * (size // 3)]
    assert read[3] == 2 * (size // 3)
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert not list(folder.parent.rglob("*.part"))


def test_a_transfer_that_ends_early_is_no_model(bucket, monkeypatch):
    plain_info = type(bucket).info

    def longer(self, path, **kwargs):
        info = plain_info(self, path, **kwargs)
        return info | {"size": 10_000_000} if path.endswith("safetensors") else info

    monkeypatch.setattr(type(bucket), "info", longer)
    with pytest.raises(UserError, match="bytes instead of 10000000"):
        remote.fetch("memory://bucket/export")
    with pytest.raises(UserError, match="bytes instead of 10000000"):  # not half a copy
        remote.fetch("memory://bucket/export")


def test_without_the_network_the_cache_serves(bucket, monkeypatch, capsys, tmp_path):
    folder = remote.fetch("memory://bucket/export")

    def no_network(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(type(bucket), "info", no_network)
    assert remote.fetch("memory://bucket/export") == folder
    assert "cannot be reached (no route to host): using the copy" in capsys.readouterr().out
    with pytest.raises(UserError, match="no route to host"):
        remote.fetch("memory://bucket/run")


def test_names_that_lead_out_of_the_folder_are_refused(bucket, tmp_path, cache):
    bucket.pipe("/bucket/run/checkpoints/4/../../../../pwned", b"x")
    with pytest.raises(UserError, match="it lists a file"):
        remote.fetch("memory://bucket/run")
    assert not list(tmp_path.rglob("pwned"))


def test_a_damaged_copy_is_fetched_again(bucket):
    weights = load_trained("memory://bucket/export").folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(UserError, match="fetch it again"):
        load_trained("memory://bucket/export")
    assert_same_model(load_trained("memory://bucket/export"), load_trained(EXPORT))


def test_a_folder_named_checkpoints_may_hold_models(bucket):
    bucket.put(str(EXPORT), "/bucket/checkpoints/paper", recursive=True)
    assert_same_model(load_trained("memory://bucket/checkpoints/paper"), load_trained(EXPORT))


def test_a_folder_with_other_files_is_left_alone(bucket, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/config.json").touch()
    with pytest.raises(UserError, match="mine is there already: name a new folder"):
        downloads.copy(EXPORT, tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["config.json"]
    (tmp_path / "empty").mkdir()
    downloads.copy(remote.fetch("memory://bucket/export"), tmp_path / "empty")
    assert_same_model(load_trained(tmp_path / "empty"), load_trained(EXPORT))


def test_an_export_on_a_web_server(tmp_path):
    shutil.copytree(EXPORT, tmp_path / "site/export")
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "site")
    )
    with http.server.ThreadingHTTPServer(("localhost", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        model = load_trained(f"http://localhost:{server.server_port}/export")
        with pytest.raises(UserError, match="holds no model"):
            remote.fetch(f"http://localhost:{server.server_port}/other")
        # Another of the same size is noticed; it is damaged, and not kept.
        weights = tmp_path / "site/export/model.safetensors"
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
        os.utime(weights, (2e9, 2e9))
        with pytest.raises(UserError, match="its checksum differs"):
            load_trained(f"http://localhost:{server.server_port}/export")
        server.shutdown()
    assert_same_model(model, load_trained(EXPORT))


def pull(source, output, **environment):
    process = entry_points.start("pull", source, f"--output={output}", **environment)
    stdout, stderr = process.communicate(timeout=300)
    return process.returncode, stdout, stderr


def test_a_repository_of_the_hub(tmp_path):
    fingerprint = load_trained(EXPORT).fingerprint
    with model_hub.serving(FILES | {"other.bin": b"x"}) as (address, requests):
        hub = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "hf")}
        code, stdout, stderr = pull("hf://owner/name", tmp_path / "model", **hub)
        assert (code, fingerprint in stdout) == (0, True), stderr
        assert not any("other.bin" in request for request in requests)
        for url, reason in {
            "hf://owner/other": "is not there, or is private",
            "hf://owner/name@none": "has no revision none",
            "hf://owner/na--me": "cannot be fetched",
        }.items():
            code, _, stderr = pull(url, tmp_path / "no", **hub)
            assert code == 1
            assert reason in stderr.splitlines()[-1]
    # Without a server: what is in the hub's cache serves, and no more.
    assert pull("hf://owner/name", tmp_path / "again", **hub)[0] == 0
    code, _, stderr = pull("hf://owner/name", tmp_path / "no", HF_ENDPOINT=address)
    assert (code, "check the network" in stderr) == (1, True), stderr


def test_a_private_repository_needs_a_token(tmp_path):
    with model_hub.serving(FILES, private=True) as (address, _):
        hub = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "hf")}
        code, _, stderr = pull("hf://owner/name", tmp_path / "model", **hub)
        assert code == 1
        assert "set HF_TOKEN" in stderr.splitlines()[-1]
        code, _, stderr = pull("hf://owner/name", tmp_path / "model", **hub, HF_TOKEN="secret")
        assert code == 0, stderr


def test_a_bucket_of_google_cloud(tmp_path, tiny_run, monkeypatch):
    with google_cloud.serving_bucket() as cloud:
        for name, value in cloud.items():
            monkeypatch.setenv(name, value)
        system = fsspec.filesystem("gs", token="anon", skip_instance_cache=True)
        system.put(str(tiny_run), "bucket/run", recursive=True)
        code, stdout, stderr = pull("gs://bucket/run", tmp_path / "model", **cloud)
        assert code == 0, stderr
        assert load_trained(tiny_run).fingerprint in stdout
        code, _, stderr = pull("gs://other/run", tmp_path / "no", **cloud)
        assert (code, stderr.count("\n")) == (1, 1), stderr
