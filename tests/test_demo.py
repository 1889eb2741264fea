import itertools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from recorded_tones import record

from wavenet_ae import pretrained
from wavenet_ae.instrument import grid, sources
from wavenet_ae.prepare.held_out import assign
from wavenet_ae.prepare.soundfonts.general_midi import INSTRUMENTS
from wavenet_ae.training.metrics import read_metrics

ROOT = Path(__file__).parents[1]
SOUNDFONTS = sorted(Path("/usr/share/sounds").glob("sf[23]/*.sf[23]"))


pytestmark = [
    pytest.mark.skipif(not SOUNDFONTS, reason="no SoundFont is installed"),
    pytest.mark.skipif(not (ROOT / ".venv").exists(), reason="the Makefile's tools run in .venv"),
    pytest.mark.skipif(not shutil.which("make"), reason="make is not installed"),
]


def make(target, *settings):
    """Runs a target without the Makefile's own setup, which installs what is under test."""
    command = ["make", "--no-print-directory", target, *settings]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )
    assert result.returncode == 0, result.stderr
    return result


@pytest.mark.slow
def test_the_demo_at_a_smaller_size_and_again(tmp_path):
    settings = [
        f"SOUND={record(tmp_path / 'my tone.wav', rate_hz=44_100)}",
        f"DEMO={tmp_path / 'the demo'}",
        "DEMO_INSTRUMENTS=0,73",
        "DEMO_PITCHES=60:69:1",
        "DEMO_VELOCITIES=100",
        "TRAIN_FLAGS=--config.num_steps=30 --config.optimizer.boundaries='(10,20)' "
        "--config.eval_every_steps=15 --config.crop_samples=1024 --config.eval_batches=1",
        "REPORT_FLAGS=--num_notes=2 --seconds=0.2",
    ]
    make(".demo", *settings)
    report = tmp_path / "the demo" / "report" / "report.html"
    page = report.read_text()
    pretrained_part, own = page.split("The training of this run")
    assert pretrained_part.count("<audio") == 2 * (1 + len(list(pretrained.NOTES.iterdir()))) + 3
    assert "1_my_tone" in pretrained_part
    assert own.count("<audio") == 3 * 2 + 3  # each note as it is, before and after; and a blend
    last = read_metrics(tmp_path / "the demo" / "run")[-1]
    assert last["step"] == 30
    assert last["train/bits_per_sample"] < last["reference/uniform_bits_per_sample"] - 0.5

    second = make(".demo", *settings)
    assert "is at step 30: raise" in second.stderr
    assert report.read_text() == page


FONTS = [
    Path("/usr/share/sounds", font)
    for font in (
        "sf3/FluidR3Mono_GM.sf3",
        "sf3/MuseScore_General_Lite.sf3",
        "sf2/sf_GMbank.sf2",
    )
]


@pytest.mark.slow
@pytest.mark.skipif(not all(font.exists() for font in FONTS), reason="a SoundFont is missing")
def test_table1_at_a_smaller_size(tmp_path):
    make(
        ".table1",
        f"TABLE1={tmp_path}",
        "TABLE1_RENDER_FLAGS=--instruments=40,84 --pitches=60:61:1",
        "TABLE1_FLAGS=--config.griffin_lim_iterations=2 --config.num_notes=3",
    )
    for held_out, num_instruments in (("instruments", 4), ("soundfont", 2)):
        results = json.loads((tmp_path / "results" / held_out / "table1.json").read_text())
        assert results["data"]["num_notes"] == 3
        assert results["data"]["num_instruments"] <= num_instruments
        assert list(results["rows"]) == ["original", "wavenet", "spectral"]


def test_table1_takes_the_instruments_that_training_holds_out():
    makefile = (ROOT / "Makefile").read_text()
    (line,) = re.findall(r"^HELD_OUT_INSTRUMENTS \?= (.*)$", makefile, re.MULTILINE)
    programs = {str(instrument.program): instrument.name for instrument in INSTRUMENTS}
    splits = assign(programs.values(), "instruments", "")
    assert [splits[programs[number]] for number in line.split(",")] == ["test"] * 10
    assert list(splits.values()).count("test") == 10


def test_the_instrument_of_the_notes_that_come_with_the_package(tmp_path):
    """With a stand-in for the command, and then the flags that it was called with."""
    calls = tmp_path / "calls"
    stub = tmp_path / "bin" / "wavenet-ae"
    stub.parent.mkdir()
    stub.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{calls}"\n')
    stub.chmod(0o755)
    make("instrument", f"BIN={stub.parent}", f"INSTRUMENT={tmp_path / 'my own'}", "INSTALLED=")
    tool, notes, output, *flags = calls.read_text().splitlines()
    assert (tool, output) == ("instrument", f"--output={tmp_path / 'my own'}")
    assert (ROOT / notes).samefile(pretrained.NOTES)
    (corners,) = (flag.split("=")[1] for flag in flags if flag.startswith("--corners="))
    names = sources.find([pretrained.NOTES], tmp_path, pitches_in_names=True)
    assert len(grid.choose_corners([*names], [corners], pairs=False)[0]) == 4


def calls_of(tmp_path, target, *settings):
    """Runs a target with a stand-in for Python and the command, and returns what it called."""
    calls = tmp_path / "calls"
    stub = tmp_path / "bin" / "python"
    stub.parent.mkdir()
    stub.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" . >> "{calls}"\n')
    stub.chmod(0o755)
    (stub.parent / "wavenet-ae").symlink_to(stub)
    make(target, f"BIN={stub.parent}", "INSTALLED=", *settings)
    return [call.split("\n") for call in calls.read_text().strip().split("\n.\n")]


def test_the_weights_in_the_box_are_trained_and_judged_in_turn(tmp_path):
    folder = tmp_path / "the box"
    lines = calls_of(tmp_path, ".pretrained", f"PRETRAINED={folder}")
    tools = [Path(tool).stem for tool, *_ in lines]
    assert tools == [
        *["render-soundfont"] * 3,
        *["build-dataset"] * 2,
        "render-synthetic",
        "build-dataset",
        *["train"] * 10,
        *["export"] * 3,
        *["evaluate", "interpolate"] * 2,
    ]
    trainings = [flags for _, *flags in lines[7:17]]
    assert trainings[4] == [
        "--config=experiments/configs/wavenet_ae.py:pretrained_noisy",
        f"--config.dataset.data_dir={folder}/datasets",
        f"--workdir={folder}/wavenet_1024",
        f"--config.init_from={folder}/wavenet_clean",
    ]
    # Each goes on from the one before, with longer crops.
    for before, after in [trainings[:2], *itertools.pairwise(trainings[3:])]:
        (workdir,) = (flag.split("=")[1] for flag in before if flag.startswith("--workdir="))
        assert f"--config.init_from={workdir}" in after
    assert f"--workdir={folder}/wavenet" in trainings[-1]
    assert "--config.crop_samples=8192" in trainings[-3]
    exported = {flag for _, *flags in lines[17:20] for flag in flags if "--output" in flag}
    used = {flag.split("=")[1] for flag in lines[-2] if "weights/" in flag}
    assert {flag.split("=")[1] for flag in exported} == used


@pytest.mark.slow
@pytest.mark.skipif(not all(font.exists() for font in FONTS), reason="a SoundFont is missing")
def test_the_pretrained_models_at_a_smaller_size(tmp_path):
    make(
        ".pretrained",
        f"PRETRAINED={tmp_path}",
        # A bright piano is for tests, a piano for validation, a harpsichord for training.
        "PRETRAINED_RENDER_FLAGS=--instruments=0,1,6 --pitches=60:67:1 --velocities=80",
        "PRETRAINED_TEST_RENDER_FLAGS=--instruments=6 --pitches=60:67:1 --velocities=80",
        "PRETRAINED_SYNTHETIC_FLAGS=--num_instruments=2 --notes_each=4",
        "PRETRAINED_TRAIN_FLAGS=--config.num_steps=2 --config.eval_batches=1",
        "PRETRAINED_EVALUATE_FLAGS=--config.num_notes=2 --config.griffin_lim_iterations=2",
        "PRETRAINED_BETWEEN_FLAGS=--num_pairs=2 --num_weights=2",
    )
    for dataset in ("by_instrument", "test_only"):
        results = json.loads((tmp_path / "results" / dataset / "table1.json").read_text())
        assert results["checkpoints"]["wavenet"]["step"] == 2
        assert results["checkpoints"]["wavenet"]["parameters"] == 446_960
        assert list(results["rows"]) == ["original", "wavenet", "spectral"]
        assert (tmp_path / "between" / dataset / "report.html").exists()


def test_translations_are_trained_with_and_without_confusion_on_music_of_their_own(tmp_path):
    folder = tmp_path / "to and fro"
    lines = calls_of(tmp_path, ".translation", f"TRANSLATION={folder}")
    tools = [Path(tool).stem for tool, *_ in lines]
    assert tools == [*["render-phrases"] * 3, "build-dataset", *["train"] * 2, "evaluate"]
    for name in ("seed", "instruments"):
        flags = [flag for line in lines[:3] for flag in line if flag.startswith(f"--{name}=")]
        assert len(flags) == len({*flags}) == 3
    with_it, without = lines[4:6]
    assert {*without} - {*with_it} == {
        "--config.domain_weight=0.0",
        f"--workdir={folder}/without_confusion",
    }
    assert f"--config.translation={folder}/run" in lines[6]
    assert f"--config.without_confusion={folder}/without_confusion" in lines[6]


def test_midi_is_rendered_learned_and_judged_in_turn(tmp_path):
    folder = tmp_path / "the keys"
    lines = calls_of(tmp_path, ".midi", f"MIDI={folder}")
    tools = [Path(tool).stem for tool, *_ in lines]
    assert tools == ["render-midi", "build-dataset", "train", "evaluate"]
    assert f"--performances={folder}/pieces" in lines[1]
    assert f"--config.midi={folder}/run" in lines[3]


@pytest.mark.slow
def test_translation_at_a_smaller_size(tmp_path):
    make(
        ".translation",
        f"TRANSLATION={tmp_path}",
        "TRANSLATION_RENDER_FLAGS=--num_phrases=3",
        "TRANSLATION_TRAIN_FLAGS=--config.num_steps=2 --config.optimizer.boundaries='(1,)' "
        "--config.optimizer.learning_rates='(4e-3,1e-3)' --config.crop_samples=1600 "
        "--config.eval_batches=1",
        "TRANSLATION_EVALUATE_FLAGS=--config.num_excerpts=2 --config.crop_samples=16000 "
        "--config.num_train_windows=10",
    )
    results = json.loads((tmp_path / "results" / "translation.json").read_text())
    assert results["domains"] == ["piano", "violin", "flute"]
    assert results["rows"]["source"]["source_named"]["mean"] > 0.6
    assert "without_confusion_translated" in results["rows"]


@pytest.mark.slow
def test_midi_at_a_smaller_size(tmp_path):
    make(
        ".midi",
        f"MIDI={tmp_path}",
        "MIDI_RENDER_FLAGS=--num_pieces=3",
        "MIDI_TRAIN_FLAGS=--config.num_steps=2 --config.optimizer.boundaries='(1,)' "
        "--config.optimizer.learning_rates='(4e-3,1e-3)' --config.crop_samples=1024 "
        "--config.eval_batches=1",
        "MIDI_EVALUATE_FLAGS=--config.num_excerpts=2 --config.seconds=2 --config.num_crops=8",
    )
    results = json.loads((tmp_path / "results" / "performance.json").read_text())
    assert results["rows"]["original"]["f1"]["mean"] > 0.5
    assert results["rows"]["performed"]["f1"]["mean"] < 0.5
