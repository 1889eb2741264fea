import json

import jax
import numpy as np
import pytest
from entry_points import load_config

from wavenet_ae import tasks
from wavenet_ae.benchmarks import ceilings, sampling
from wavenet_ae.publish import markdown
from wavenet_ae.synthesis import sampler
from wavenet_ae.system.errors import UserError
from wavenet_ae.training import sharding


@pytest.fixture
def config(tiny_config):
    return json.loads(tiny_config)


def shapes_of(config):
    return jax.eval_shape(tasks.create(config).init, jax.random.key(0))[0]


def test_operations_of_a_sample_by_hand(config):
    kernels = 3 * 6 + 6 * 5 + 3 * (3 * 6 * 12 + 6 * 5) + 2 * 6 * 6 + 5 * 5 + 5 * 256
    assert sampling.flop_per_sample(shapes_of(config)) == 2 * kernels
    # The embedding and the pitch enter once a frame.
    config["model"]["num_pitches"] = 128
    assert sampling.flop_per_sample(shapes_of(config)) == 2 * kernels


def test_operations_of_the_papers_sample():
    # 59,827,712 parameters with the last residual projection and the conditioning.
    conditioning, biases = 16 * (30 * 1024 + 256), 512 + 256 + 30 * (1024 + 256) + 29 * 512 + 512
    conditioning += 30 * 1024 + 256
    kernels = 59_827_712 - (512 * 512 + 512) - conditioning - biases
    assert sampling.flop_per_sample(shapes_of(load_config("wavenet_ae.py"))) == 2 * kernels


def test_bytes_of_the_weights(config):
    params = shapes_of(config)
    logits = 5 * 256 + 256
    kernels = sampling.flop_per_sample(params) // 2
    others = kernels - 5 * 256 + (6 + 5 + 3 * (12 + 5) + 2 * 6 + 5)
    assert sampling.decoder_bytes(params, "float32") == 4 * (logits + others)
    assert sampling.decoder_bytes(params, "bfloat16") == 4 * logits + 2 * others


def test_chunks_are_the_samplers(config):
    model = tasks.create(config).model
    params, _ = jax.jit(tasks.create(config).init)(jax.random.key(0))
    chunks = sampling._chunks(model, params, 2, 1, 7, sharding.data_mesh())
    shape = (2, sampling._CHUNKS, model.embedding_size)
    embedding = np.random.default_rng(7).normal(size=shape).astype(np.float32)
    keys = sampler.note_keys(7, np.arange(2))
    expected = sampler.generate(model, params, embedding, keys, chunk_frames=1)
    for _ in range(2):
        chunk = next(chunks)
        assert chunk.shape == (2, model.hop_length)
        np.testing.assert_array_equal(chunk, next(expected))


def test_chunks_do_not_end(config, monkeypatch):
    monkeypatch.setattr(sampling, "_CHUNKS", 2)
    model = tasks.create(config).model
    params, _ = jax.jit(tasks.create(config).init)(jax.random.key(0))
    chunks = sampling._chunks(model, params, 2, 1, 7, sharding.data_mesh())
    first, second, third = (next(chunks) for _ in range(3))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, third)


def test_ratios_are_those_of_the_numbers_beside_them(config, monkeypatch):
    # A memory that binds one sound, and arithmetic that binds two.
    params = shapes_of(config)
    steps = 1 / sampling.decoder_bytes(params, "float32")
    monkeypatch.setattr(ceilings, "memory_bytes_per_s", lambda *_: lambda: 1000.0)
    monkeypatch.setattr(
        ceilings,
        "matrix_flop_per_s",
        lambda *_: lambda: 1500.0 * steps * sampling.flop_per_sample(params),
    )
    result = sampling.measure(config, nums_sounds=[1, 2, 1], seconds=0.05, repetitions=2)
    assert result["chunk_frames"] == 1
    assert [batch["num_sounds"] for batch in result["batches"]] == [1, 2]
    assert [batch["binding_ceiling"] for batch in result["batches"]] == ["memory", "arithmetic"]
    num_devices = sharding.data_mesh().size
    for batch in result["batches"]:
        number, limits = batch["num_sounds"], batch["ceilings_samples_per_s"]
        assert limits["memory"] == pytest.approx(1000 * steps * number / num_devices)
        assert limits["arithmetic"] == pytest.approx(1500 * steps)
        samples = batch["samples_per_s"]
        assert samples["median"] == pytest.approx(number * batch["steps_per_s"]["median"])
        assert 0 < samples["lowest"] <= samples["median"] <= samples["highest"]
        assert batch["share_of_ceiling"] == pytest.approx(samples["median"] / min(limits.values()))
        assert batch["compile_s"] >= 0
    json.dumps(result)
    shown = markdown.render(sampling.document(result))
    assert f"- a step reads: {result['decoder_bytes'] / 1e6:.4g} MB of weights" in shown
    assert "| one voice: samples a chunk | ms a chunk | times real time |" in shown
    row = next(line for line in shown.splitlines() if line.startswith("| 2 "))
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    last = result["batches"][1]
    assert cells[1].startswith(f"{last['steps_per_s']['median']:.4g} (")
    assert cells[2].startswith(f"{last['samples_per_s']['median']:.4g} (")
    assert cells[5:7] == ["arithmetic", f"{last['share_of_ceiling']:.3f}"]


def test_another_model_has_no_samples():
    with pytest.raises(UserError, match="task='spectral' is another model: use --config="):
        sampling.measure(load_config("spectral_ae.py:demo"))
