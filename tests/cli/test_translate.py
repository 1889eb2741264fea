"""`wavenet-ae translate`, with a small network of random weights."""

import entry_points
import jax
import numpy as np
import pytest
import soundfile
from translation_batches import CONFIG

from wavenet_ae import tasks
from wavenet_ae.training.trained import save_imported


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("translation") / "run"
    config = CONFIG | {"dataset": {"name": "recordings/duo", "data_dir": "datasets"}}
    weights = tasks.create(config).init(jax.random.key(0))
    return save_imported(folder, config, *weights, step=1).folder


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    (folder / "sub").mkdir()
    soundfile.write(folder / "sub/stereo.flac", rng.uniform(-0.5, 0.5, (4410, 2)), 44_100)
    soundfile.write(folder / "short.wav", rng.uniform(-0.5, 0.5, 70), 16_000)
    (folder / "text.wav").write_text("no sound")
    return folder


def translate(run, *flags):
    return entry_points.run("translate", f"--checkpoint={run}", *flags)


def test_sounds_to_all_domains_and_again(run, sounds, tmp_path):
    one = tmp_path / "one.wav"
    soundfile.write(one, np.zeros(1), 16_000)
    out = tmp_path / "out"
    first = translate(run, sounds, one, "--to=all", f"--output={out}")
    assert first.returncode == 1
    assert "Traceback" not in first.stderr
    (line,) = [line for line in first.stderr.splitlines() if "refused: " in line]
    assert "text.wav is not a sound file that can be read" in line
    lengths = {p.relative_to(out).as_posix(): soundfile.info(p).frames for p in out.rglob("*.wav")}
    assert lengths == {
        f"{name}_to_{domain}.wav": samples
        for name, samples in (("sub/stereo", 1600), ("short", 70), ("one", 1))
        for domain in ("sine", "saw")
    }
    assert "generating: 100%" in first.stderr
    assert "6 sounds in" in first.stdout
    contents = {path: path.read_bytes() for path in out.rglob("*.wav")}
    assert contents[out / "short_to_sine.wav"] != contents[out / "short_to_saw.wav"]

    # A second call makes what is missing, and makes it the same.
    lost = out / "short_to_saw.wav"
    lost.unlink()
    second = translate(run, sounds, one, "--to=saw", f"--output={out}")
    assert "2 of 3 sounds are in" in second.stdout
    assert {path: path.read_bytes() for path in out.rglob("*.wav")} == contents


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--to=harp"], "has the domains sine, saw: name some of these, or all."),
        (["--to="], "has the domains sine, saw"),
        ([], "--to is missing"),
        (["--to=saw", "--temperature=-1"], "--temperature=-1 is not a non-negative number"),
        (["--to=saw", "no_such.wav"], "no_such.wav does not exist."),
    ],
)
def test_a_mistake_is_one_line(run, sounds, tmp_path, flags, reason):
    out = tmp_path / "out"
    result = translate(run, sounds / "short.wav", f"--output={out}", *flags)
    entry_points.assert_refused(result, reason)
    assert not out.exists()


def test_an_empty_folder_is_refused(run, tmp_path):
    result = translate(run, tmp_path, "--to=saw", f"--output={tmp_path / 'out'}")
    entry_points.assert_refused(result, f"{tmp_path} holds no files of these kinds: WAV, FLAC")


def test_a_model_of_another_task_is_refused(tiny_run, sounds, tmp_path):
    result = translate(tiny_run, sounds / "short.wav", "--to=saw", f"--output={tmp_path}")
    entry_points.assert_refused(
        result, "holds a WaveNet autoencoder: name a run of a translation network."
    )
