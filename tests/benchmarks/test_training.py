import functools
import json

import domain_recordings
import jax
import numpy as np
import performance_files
import pytest
from entry_points import load_config

from wavenet_ae import tasks
from wavenet_ae.benchmarks import ceilings, machine, training
from wavenet_ae.compilation import programs
from wavenet_ae.data import nsynth
from wavenet_ae.data.input_pipeline import open_split, training_batches
from wavenet_ae.publish import markdown
from wavenet_ae.system.errors import UserError
from wavenet_ae.training import sharding
from wavenet_ae.training.step import init_state, make_train_step


@pytest.fixture
def config(tiny_config):
    return json.loads(tiny_config)


@pytest.fixture
def small_ceilings(monkeypatch):
    for name, size in (("matrix_flop_per_s", {"size": 64}), ("memory_bytes_per_s", {})):
        size = size or {"num_bytes": 2**20}
        small = functools.partial(getattr(ceilings, name), **size, seconds=0.01)
        monkeypatch.setattr(ceilings, name, small)


def test_it_is_the_step_of_training(config):
    config["dataset"] |= {"decoder_input_noise": 4.0, "gain_db": 6.0}
    step = training.TrainingStep(config, training.first_batches(config))
    got = [jax.device_get(step()) for _ in range(3)]
    mesh = sharding.data_mesh()
    task = tasks.create(config)
    batches = training_batches(
        open_split(config["dataset"]["name"], config["dataset"]["data_dir"], "train"),
        seed=config["seed"],
        batch_size=config["batch_size"],
        crop_samples=task.crop_samples,
        gain_db=6.0,
        decoder_input_noise=4.0,
    )
    state, update = init_state(config, task, mesh), make_train_step(config, task, mesh)
    for metrics in got:
        state, expected = update(state, sharding.to_global(next(batches), mesh))
        jax.tree.map(np.testing.assert_array_equal, metrics, jax.device_get(expected))
    batches.close()


@pytest.mark.parametrize("decoder_input_noise", [0.0, 4.0])
def test_noise_looks_like_what_is_read(config, decoder_input_noise):
    config["dataset"] |= {"decoder_input_noise": decoder_input_noise, "gain_db": 6.0}
    real = training.first_batches(config)[0]
    shapes = programs.batch_shapes(config, tasks.create(config))
    noise = training.noise(shapes, seed=0)
    assert ("decoder_input_noise" in noise) == (decoder_input_noise > 0)
    assert noise.keys() == real.keys()
    for name, array in noise.items():
        assert (array.shape, array.dtype) == (real[name].shape, real[name].dtype)
    assert 0.5 < noise["audio"].std() < 0.65
    assert np.abs(noise["audio"]).max() <= 1
    assert noise["pitch"].max() < nsynth.NUM_PITCHES


def test_noise_of_whole_notes(note_settings):
    name, settings = note_settings["spectral"]
    config = load_config(name, **settings)
    noise = training.noise(programs.batch_shapes(config, tasks.create(config)), seed=0)
    assert noise["audio"].shape == (config["batch_size"], nsynth.NOTE_SAMPLES)


@pytest.mark.parametrize(
    ("name", "files", "dataset", "changes"),
    [
        ("midi_wavenet", performance_files, "performances/five", {"crop_samples": 640}),
        (
            "translation",
            domain_recordings,
            "recordings/three",
            {"domains": tuple(domain_recordings.SECONDS), "crop_samples": 800},
        ),
    ],
)
def test_tasks_that_read_more_than_notes(tmp_path, name, files, dataset, changes):
    data = {"dataset.name": dataset, "dataset.data_dir": str(files.build_dataset(tmp_path))}
    config = load_config(f"{name}.py:demo", **data, **changes)
    real = training.first_batches(config)
    noise = training.noise(programs.batch_shapes(config, tasks.create(config)), seed=0)
    assert len(real) > 1
    assert (real[0]["audio"] != real[1]["audio"]).any()
    assert noise.keys() == real[0].keys()
    for key, array in noise.items():
        assert (array.shape, array.dtype) == (real[0][key].shape, real[0][key].dtype)
        assert np.abs(array).max() <= max(1, np.abs(real[0][key]).max())


@pytest.mark.usefixtures("small_ceilings")
def test_ratios_are_those_of_the_numbers_beside_them(config):
    result = training.measure(config, seconds=0.05, repetitions=3)
    assert (result["batch_size"], result["samples_per_example"]) == (4, 256)
    assert (result["dtype"], result["data"]) == ("float32", "noise")
    rate = 1000 / result["step_ms"]["median"]
    assert result["samples_per_s"]["median"] == pytest.approx(4 * 256 * rate)
    flop = result["model_flop_per_step"]
    assert result["model_flop_per_s"]["median"] == pytest.approx(flop * rate)
    assert result["share_of_matrix_ceiling"] == pytest.approx(
        result["model_flop_per_s"]["median"] / result["matrix_flop_per_s"]["median"]
    )
    for name in ("step_ms", "samples_per_s", "matrix_flop_per_s", "memory_bytes_per_s"):
        spread = result[name]
        assert 0 < spread["lowest"] <= spread["median"] <= spread["highest"]
    assert result["lower_s"] > 0
    assert result["compile_s"] > 0
    assert "notes_per_s" not in result
    json.dumps(result)
    lines = markdown.render(training.document(result)).splitlines()
    assert lines[0] == "# Training step, batches of 4 x 256 samples (noise), float32"
    cells = [f"{result['step_ms'][name]:.4g}" for name in ("median", "lowest", "highest")]
    assert f"| training step, ms | {' | '.join(cells)} |" in lines
    share = f"{result['share_of_matrix_ceiling']:.3f}"
    assert f"| model / matrix products (utilisation) | {share} |  |  |" in lines
    assert not any("notes/s" in line for line in lines)
    planned = result["peak_memory_bytes"]["program"] / 2**30
    assert any(f"planned for a device by the compiler {planned:.2f} GiB" in line for line in lines)


def test_memory_that_a_program_plans(config):
    step = training.TrainingStep(config)
    held = jax.tree.leaves((step._state, next(step._batches)))
    # The batch's labels are not read, and the state becomes the new one where it is.
    least = sum(x.nbytes for x in jax.tree.leaves(step._state))
    planned = training.program_bytes(step.compiled)
    assert least < planned
    assert planned < 2 * sum(x.nbytes for x in held) + 64 * 2**20
    memory = step.compiled.memory_analysis()
    assert planned == (
        memory.argument_size_in_bytes
        + memory.temp_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
    )


def test_memory_of_the_process():
    block = np.ones(2**28, np.uint8)
    del block
    # The highest ever.
    assert machine.peak_resident_bytes() > 2**28


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"batch_size": 3, "accumulation_steps": 2}, "batch_size=3 cannot be split evenly"),
        ({"crop_samples": 100}, "crop_samples=100"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_mistakes(config, changes, reason):
    with pytest.raises(UserError, match=reason):
        training.measure(config | changes)
