import ctypes
import dataclasses
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import entry_points
import jax
import pytest
from instrument_page import STUBS, watch
from instruments import write_instrument, write_uneven_instrument

from wavenet_ae.instrument import page, rendered
from wavenet_ae.instrument.packs.writing import write_packs
from wavenet_ae.instrument.rendered import Square
from wavenet_ae.prepare import nsynth_json
from wavenet_ae.prepare.nsynth_json.build import build
from wavenet_ae.training.loop import train_and_evaluate
from wavenet_ae.training.metrics import MediaSummaries

DUMMY_NOTES = Path(nsynth_json.__file__).parent / "dummy_data"


# Compiling takes most of the time of these tests, and half of that goes to making programs fast
# that run for milliseconds. Not every version of JAX has the second flag.
_COMPILE_FAST = ["--xla_backend_optimization_level=0", "--xla_cpu_use_fusion_emitters=false"]


def pytest_configure(config):
    # Many tests compile the same programs: one cache for all processes of this session.
    config.own_caches = []
    for variable in ("JAX_COMPILATION_CACHE_DIR", "NUMBA_CACHE_DIR"):
        if variable not in os.environ:
            os.environ[variable] = tempfile.mkdtemp(prefix="compiled-")
            config.own_caches.append(os.environ[variable])
    if "XLA_FLAGS" not in os.environ:
        os.environ["XLA_FLAGS"] = " ".join(filter(_is_known_to_xla, _COMPILE_FAST))
    jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
    seconds = os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", float(seconds))


def pytest_unconfigure(config):
    for folder in config.own_caches:
        shutil.rmtree(folder, ignore_errors=True)


def _is_known_to_xla(flag):
    """Tells whether JAX's library has a flag: it ends the process for one that it does not know."""
    command = [sys.executable, "-c", "import jax; jax.devices()"]
    environment = os.environ | {"XLA_FLAGS": flag, "JAX_PLATFORMS": "cpu"}
    return subprocess.run(command, env=environment, capture_output=True).returncode == 0


@pytest.fixture(autouse=True, scope="module")
def compiled_programs():
    """Lets go of a module's programs, which take gigabytes together and are in the cache."""
    yield
    jax.clear_caches()
    gc.collect()
    if sys.platform == "linux":  # glibc keeps what is free for later
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def no_summaries(config, task, state):
    return MediaSummaries({}, {}, 16_000)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """TFDS's folder with the placeholder notes: 4 to train, 1 to validate, 1 to test."""
    folder = tmp_path_factory.mktemp("datasets")
    build(DUMMY_NOTES, folder, "by_note")
    return folder


FONTS = (
    Path("/usr/share/sounds/sf2/sf_GMbank.sf2"),
    Path("/usr/share/sounds/sf3/FluidR3Mono_GM.sf3"),
)


@pytest.fixture(scope="session")
def font_path():
    """A General MIDI SoundFont of this machine."""
    for path in FONTS:
        if path.exists():
            return path
    pytest.skip("no General MIDI SoundFont is installed")


@pytest.fixture(scope="session")
def tiny_config(data_dir):
    """A configuration that trains in seconds, as text: load it anew to change it."""
    return json.dumps(
        {
            "task": "wavenet",
            "seed": 0,
            "model": {
                "encoder_channels": 4,
                "encoder_layers": 2,
                "decoder_channels": 6,
                "skip_channels": 5,
                "decoder_layers": 3,
                "dilation_cycle": 2,
                "embedding_size": 3,
                "hop_length": 64,
                "num_pitches": 0,
                "output_init": "zeros",
                "rematerialize": False,
                "dtype": "float32",
            },
            "dataset": {
                "name": "nsynth_json/by_note",
                "data_dir": str(data_dir),
                "num_workers": 0,
                "gain_db": 0.0,
                "degradation": 0.0,
                "detune_semitones": 0.0,
                "decoder_input_noise": 0.0,
                "decoder_input_shaped_noise": 0.0,
            },
            "num_steps": 4,
            "batch_size": 4,
            "crop_samples": 256,
            "accumulation_steps": 1,
            "max_skipped_steps": 0,
            "optimizer": {
                "name": "adam",
                "learning_rates": [1e-2, 1e-3],
                "boundaries": [3],
                "b1": 0.9,
                "b2": 0.999,
                "eps": 1e-8,
                "clip_norm": None,
                "clip_value": None,
                "skip_above_grad_norm": None,
            },
            "ema_decay": 0.9999,
            "log_every_steps": 2,
            "eval_every_steps": 4,
            "eval_batches": None,
            "checkpoint_every_steps": 4,
            "checkpoint_every_minutes": None,
            "summarize_every_steps": 0,
            "profile_steps": 0,
            "init_from": None,
        }
    )


@pytest.fixture(scope="session")
def tiny_run(tiny_config, tmp_path_factory):
    """The workdir of a finished run."""
    workdir = tmp_path_factory.mktemp("run")
    train_and_evaluate(json.loads(tiny_config), workdir, no_summaries)
    return workdir


# Sizes of the authors' arrays: one compiled program serves all tests that train the baseline.
_SPECTRAL_SETTINGS = {
    "model.narrow_channels": 8,
    "model.middle_channels": 12,
    "model.wide_channels": 16,
    "model.bottleneck_channels": 24,
    "model.embedding_size": 20,
    "model.num_pitches": 128,
    "model.pitch_embedding_size": 128,
}
_CLASSIFIER_SETTINGS = {
    "model.narrow_channels": 2,
    "model.middle_channels": 3,
    "model.wide_channels": 4,
    "model.bottleneck_channels": 5,
}
_NOTE_SETTINGS = {
    "dataset.name": "nsynth_json/by_note",
    "num_steps": 4,
    "batch_size": 8,
    "optimizer.learning_rates": (1e-3, 1e-4),
    "optimizer.boundaries": (3,),
    "log_every_steps": 2,
    "eval_every_steps": 4,
    "checkpoint_every_steps": 2,
}


@pytest.fixture(scope="session")
def note_settings(data_dir):
    """Configurations of whole notes and the changes that make each train in seconds, by task."""
    data = {**_NOTE_SETTINGS, "dataset.data_dir": str(data_dir)}
    return {
        "spectral": ("spectral_ae.py:demo", {**data, **_SPECTRAL_SETTINGS}),
        "classifier": ("classifier.py:demo", {**data, **_CLASSIFIER_SETTINGS}),
    }


@pytest.fixture(scope="session")
def note_runs(note_settings, tmp_path_factory):
    """Workdirs of runs from the command line, by task; with checkpoints of the steps 2 and 4."""
    folder = tmp_path_factory.mktemp("note_runs")
    for task, (config, settings) in note_settings.items():
        result = entry_points.train(config, f"--workdir={folder / task}", **settings)
        assert result.returncode == 0, result.stderr
    return {task: folder / task for task in note_settings}


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window. It ends with the module, since its loop hinders asyncio's."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if not path and Path("/etc/debian_version").exists():
        pytest.fail("chromium is missing: run sudo apt-get install chromium")
    if not path:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        # Without a sandbox, which root may not have; the pages are our own.
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="session")
def tones_page(tmp_path_factory):
    """The page of tones with two squares and a line."""
    folder = tmp_path_factory.mktemp("tones")
    written = write_instrument(folder, pitches=(60,), resolution=2)
    (square,) = written.squares
    mirrored = Square((1, 0, 3, 2), tuple(row[::-1] for row in square.cells))
    line = Square((0, 1), square.cells[:1])
    more = dataclasses.replace(written, squares=(square, mirrored, line))
    rendered.write(more, folder)
    return page.write_page(folder).path


@pytest.fixture(scope="module")
def context(browser):
    """What the tabs of a module share: `STUBS`, a touch screen and what the browser keeps."""
    size = {"width": 1280, "height": 800}
    context = browser.new_context(has_touch=True, accept_downloads=True, viewport=size)
    context.add_init_script(STUBS)
    yield context
    context.close()


@pytest.fixture
def tab(context, tones_page):
    """A page that keeps nothing of earlier ones; afterwards nothing may have failed in it."""
    tab = context.new_page()
    errors = watch(tab)
    tab.goto(tones_page.as_uri())
    yield tab
    assert errors == []
    tab.evaluate("() => localStorage.clear()")
    tab.close()


@pytest.fixture(scope="session")
def instrument_folder(tmp_path_factory):
    """A rendered instrument whose notes differ in level, tuning and loops."""
    folder = tmp_path_factory.mktemp("instrument")
    write_uneven_instrument(folder)
    return folder


@pytest.fixture(scope="session")
def packs(instrument_folder):
    """The folder of its sampler packs."""
    write_packs(instrument_folder)
    return instrument_folder / "packs"
