"""Compiles small programs for a TPU slice that is not there; each in a process of its own."""

import importlib.util
import json
import math
import subprocess
import sys
import textwrap

import jax
import pytest
from compilation_marks import needs_libtpu
from entry_points import load_config

from wavenet_ae import tasks
from wavenet_ae.compilation import chips, programs
from wavenet_ae.compilation.hlo import Module
from wavenet_ae.data import input_pipeline
from wavenet_ae.synthesis import sampler
from wavenet_ae.system.errors import UserError
from wavenet_ae.tasks.note_task import NoteTask
from wavenet_ae.training import sharding

TOPOLOGY = "v5e:2x2"


@pytest.fixture
def config(tiny_config):
    config = json.loads(tiny_config)
    # No two buffers and kernels of one shape.
    config["model"] |= {"decoder_channels": 16, "decoder_layers": 3, "dilation_cycle": 3}
    return config | {"batch_size": 16}


def compile_for_tpu(tmp_path, config, lower):
    """Returns the module of `programs.lower_...(config, devices...)`, and its description."""
    script = f"""
        import json, sys
        from pathlib import Path
        import jax
        jax.config.update("jax_platforms", "cpu")
        from wavenet_ae.compilation import chips, programs
        config, devices = json.loads(sys.argv[1]), chips.devices_of({TOPOLOGY!r})
        compiled = programs.{lower}.compile()
        folder = Path(sys.argv[2])
        (folder / "hlo.txt").write_text(compiled.as_text())
        description = programs.describe(compiled, chips.chip_of({TOPOLOGY!r}))
        (folder / "description.json").write_text(json.dumps(description))
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), json.dumps(config), tmp_path], check=True
    )
    description = json.loads((tmp_path / "description.json").read_text())
    return Module((tmp_path / "hlo.txt").read_text()), description


def parameter_sizes(config):
    """Returns the sizes of all parameters, and of the kernels alone."""
    params, _ = jax.eval_shape(tasks.create(config).init, jax.random.key(0))
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return (
        [leaf.size for _, leaf in leaves],
        [leaf.size for path, leaf in leaves if path[-1].key == "kernel"],
    )


def num_elements(collective):
    return sum(math.prod(array.shape) for array in collective.arrays)


@needs_libtpu
@pytest.mark.parametrize("dtype", [pytest.param("float32", marks=pytest.mark.slow), "bfloat16"])
def test_one_fused_all_reduce_is_all_that_training_exchanges(config, tmp_path, dtype):
    config["model"]["dtype"] = dtype
    module, description = compile_for_tpu(tmp_path, config, "lower_train_step(config, devices)")
    assert {c.kind for c in module.collectives} == {"all-reduce"}
    reduced = [{array.dtype for array in c.arrays} for c in module.collectives]
    assert reduced == [{"f32"}]  # gradients of parameters are float32 in both
    assert {c.times for c in module.collectives} == {1}
    # Every gradient once, and in the same exchange two metrics. Biases that are added to the same
    # sum have one gradient.
    sizes, kernels = parameter_sizes(config)
    reduced = sum(num_elements(c) for c in module.collectives)
    assert sum(kernels) < reduced <= sum(sizes) + 2
    # The state is updated where it is: nothing but metrics comes beside it.
    memory = description["memory_bytes"]
    assert memory["arguments"] > 4 * 4 * sum(sizes)
    assert memory["outputs"] < 0.1 * memory["arguments"]


@needs_libtpu
@pytest.mark.slow
def test_accumulation_reduces_gradients_once_and_computes_the_same(config, tmp_path):
    whole, _ = compile_for_tpu(tmp_path, config, "lower_train_step(config, devices)")
    config["accumulation_steps"] = 4
    parts, _ = compile_for_tpu(tmp_path, config, "lower_train_step(config, devices)")
    assert parts.unknown_loops == 0
    assert parts.matrix_flops == whole.matrix_flops > 0
    assert {c.kind for c in parts.collectives} == {"all-reduce"}
    gradients, *others = sorted(parts.collectives, key=num_elements, reverse=True)
    assert gradients.times == 1
    assert num_elements(gradients) > sum(parameter_sizes(config)[1])
    # In the loop there are no more than a part's metrics.
    assert all(num_elements(c) <= 2 for c in others)


@needs_libtpu
def test_sampling_keeps_the_weights_on_the_chip(config, tmp_path):
    config["model"] |= {"dtype": "bfloat16", "decoder_channels": 128}
    module, _ = compile_for_tpu(tmp_path, config, "lower_sampler(config, devices, 16)")
    params, _ = jax.eval_shape(tasks.create(config).init, jax.random.key(0))
    weight_bytes = 2 * sum(leaf.size for leaf in jax.tree.leaves(params["decoder"]))
    # Read anew for each sample they would be most of its traffic: 0.6 times their bytes, not 0.013.
    assert module.hbm_bytes / programs.samples_per_call(config) < 0.1 * weight_bytes


@needs_libtpu
def test_sampling_exchanges_nothing_and_keeps_its_buffers_in_place(config, tmp_path):
    config["model"]["dtype"] = "bfloat16"
    module, description = compile_for_tpu(tmp_path, config, "lower_sampler(config, devices, 16)")
    assert module.collectives == [] == description["collectives"]
    model = tasks.create(config, "tpu").model
    params, _ = jax.eval_shape(tasks.create(config).init, jax.random.key(0))
    state = jax.eval_shape(lambda p: sampler.initial_state(model, p, 4), params)  # of one device
    buffers = [("bf16", buffer.shape) for buffer in state.decoder.buffers]
    updated = module.in_loops("dynamic-update-slice")
    copied = module.in_loops("copy", "copy-start", "concatenate", "pad")
    for buffer in buffers:
        assert updated[buffer] == buffers.count(buffer)
        assert copied[buffer] == 0
    # All samples of the chunk count: a multiply-add for every weight and each of 4 sounds.
    num_weights = sum(
        kernel.size
        for path, kernel in jax.tree_util.tree_leaves_with_path(params["decoder"])
        if path[-1].key == "kernel" and "conditioning" not in path[-2].key
    )
    samples = programs.samples_per_call(config)
    assert samples == 8 * 64
    assert module.matrix_flops == pytest.approx(samples * 2 * 4 * num_weights, rel=0.1)


def test_batches_have_the_shapes_of_the_input_pipeline(data_dir):
    notes = input_pipeline.open_split("nsynth_json/by_note", str(data_dir), "train")
    for crop_samples, decoder_input_noise in ((256, 0.0), (256, 4.0), (None, 0.0)):
        batches = input_pipeline.training_batches(
            notes,
            seed=0,
            batch_size=2,
            crop_samples=crop_samples,
            decoder_input_noise=decoder_input_noise,
        )
        batch = sharding.to_global(next(batches), sharding.data_mesh())
        batches.close()
        expected = {name: (x.shape, x.dtype) for name, x in batch.items()}
        config = {"batch_size": 2, "dataset": {"decoder_input_noise": decoder_input_noise}}
        task = NoteTask()
        task.crop_samples = crop_samples
        shapes = programs.batch_shapes(config, task)
        assert {name: (x.shape, x.dtype) for name, x in shapes.items()} == expected


def test_programs_for_this_machine_are_those_that_run(config):
    devices = jax.devices()
    step = programs.lower_train_step(config, devices)
    assert step.args_info[0][0].step.shape == ()
    assert "dynamic_update_slice" in programs.lower_sampler(config, devices, 3).as_text()


def test_models_without_a_sampler_are_refused(note_settings):
    name, settings = note_settings["spectral"]
    with pytest.raises(UserError, match="--program=train"):
        programs.lower_sampler(load_config(name, **settings), jax.devices(), 2)


def test_without_libtpu_there_is_a_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(chips, "LIBTPU_FOLDER", tmp_path)
    with pytest.raises(UserError, match="run make libtpu, or pip install"):
        chips.devices_of(TOPOLOGY)


@pytest.mark.parametrize("topology", ["v9:2x2", "v5e", "v5e:8", "v5e:2x2x2", "v5p:2x2", "v5e:2xx"])
def test_topologies_that_are_none_are_refused(topology):
    with pytest.raises(UserError, match=f"--topology={topology} .* give v5e:2x4"):
        chips.devices_of(topology)
