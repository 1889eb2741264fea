"""The installed package, without a checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import soundfile
from conftest import DUMMY_NOTES

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    left_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "wavenet_ae", source / "wavenet_ae", ignore=left_out)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, source]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture
def tone(tmp_path):
    audio, rate = soundfile.read(next(DUMMY_NOTES.glob("audio/flute*.wav")), frames=4_000)
    soundfile.write(tmp_path / "tone-067-100.wav", audio, rate)
    return tmp_path / "tone-067-100.wav"


def assert_generates(command, tone, **environment):
    output = tone.parent / "out"
    result = subprocess.run(
        [*command, "generate", tone.name, f"--output={output}"],
        cwd=tone.parent,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert soundfile.info(output / tone.name).frames == 4_000


def test_the_wheel_alone_reconstructs_a_note(wheel, tone, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    site = tmp_path / "site"
    names = {path.relative_to(site).as_posix() for path in site.rglob("*")}
    assert {"wavenet_ae/publish/page.html.jinja", "wavenet_ae/pretrained/README.md"} <= names
    page = ROOT / "wavenet_ae/instrument/page"
    assert {path.relative_to(ROOT).as_posix() for path in page.iterdir()} <= names
    assert not any(name.startswith(("tests", "experiments")) for name in names)
    (about,) = site.glob("*.dist-info/entry_points.txt")
    assert "wavenet-ae = wavenet_ae.cli.main:main" in about.read_text()
    environment = {"PYTHONPATH": str(site)}
    code = "import wavenet_ae; print(wavenet_ae.__file__)"
    where = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(tmp_path))
    assert_generates([sys.executable, "-m", "wavenet_ae"], tone, **environment)


@pytest.mark.slow
def test_an_empty_environment_with_the_wheel_reconstructs_a_note(wheel, tone, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    pip = [tmp_path / "env/bin/python", "-m", "pip", "install", "--quiet", wheel]
    subprocess.run(pip, check=True, capture_output=True)
    assert_generates([tmp_path / "env/bin/wavenet-ae"], tone)
