import jax
import jax.numpy as jnp
import numpy as np
import pytest
from variables import random_variables

from wavenet_ae import tasks
from wavenet_ae.models import arithmetic
from wavenet_ae.models.arithmetic import Arithmetic

MODELS = {
    "wavenet": {
        "encoder_channels": 4,
        "encoder_layers": 2,
        "decoder_channels": 6,
        "skip_channels": 5,
        "decoder_layers": 2,
        "dilation_cycle": 2,
        "embedding_size": 3,
        "hop_length": 16,
    },
    "spectral": {
        "narrow_channels": 2,
        "middle_channels": 2,
        "wide_channels": 2,
        "bottleneck_channels": 4,
        "embedding_size": 4,
        "pitch_embedding_size": 2,
    },
    "classifier": {
        "narrow_channels": 2,
        "middle_channels": 2,
        "wide_channels": 2,
        "bottleneck_channels": 4,
    },
}


def task_of(name, platform=None, **settings):
    config = {"task": name, "model": {**MODELS[name], **settings}}
    return tasks.create(config | {"crop_samples": 64}, platform)


@pytest.fixture(params=[True, False], ids=["amx", "no_amx"])
def has_unit(request, monkeypatch):
    monkeypatch.setattr(arithmetic, "multiplies_bfloat16", lambda: request.param)
    return request.param


def test_cpus_multiply_bfloat16_where_they_have_a_unit(has_unit):
    found = Arithmetic.on("cpu", "bfloat16")
    assert found == Arithmetic("bfloat16" if has_unit else jnp.float32, jnp.float32)
    assert Arithmetic.on("cpu", jnp.float32) == Arithmetic()
    says = found.describe("bfloat16")
    assert says == "bfloat16" if has_unit else "computed in float32" in says
    assert Arithmetic.on("tpu", "bfloat16", "high") == ("bfloat16", "bfloat16", "high")


def test_the_unit_is_read_off_the_processors_flags(monkeypatch, tmp_path):
    for flags, expected in (("fma avx2 amx_bf16", True), ("fma avx512_bf16", False)):
        (tmp_path / "cpuinfo").write_text(f"flags\t\t: {flags}\n")
        monkeypatch.setattr(arithmetic, "_CPU_INFO", tmp_path / "cpuinfo")
        arithmetic.multiplies_bfloat16.cache_clear()
        assert arithmetic.multiplies_bfloat16() == expected
    monkeypatch.setattr(arithmetic, "_CPU_INFO", tmp_path / "missing")
    arithmetic.multiplies_bfloat16.cache_clear()
    assert not arithmetic.multiplies_bfloat16()
    arithmetic.multiplies_bfloat16.cache_clear()


def test_bfloat16_on_a_cpu_is_near_float32_or_is_float32(has_unit):
    batch = {
        "audio": jax.random.uniform(jax.random.key(0), (2, 64), minval=-1.0),
        "pitch": jnp.zeros(2, jnp.int32),
    }
    results = []
    for dtype in ("float32", "bfloat16"):
        task = task_of("wavenet", "cpu", dtype=dtype)
        params, state = random_variables(task)

        def loss(params, task=task, state=state):
            return task.loss(params, state, batch, train=True)[0]["loss"].mean()

        results.append(jax.tree.leaves(jax.value_and_grad(loss)(params)))
    norms = [np.linalg.norm(np.asarray(x)) for x in results[0]]
    errors = [np.linalg.norm(np.asarray(a - b)) for a, b in zip(*results, strict=True)]
    assert all(x.dtype == jnp.float32 for x in results[1])
    if has_unit:
        assert 0 < sum(errors) < 0.05 * sum(norms)
    else:
        assert sum(errors) == 0


@pytest.mark.parametrize("name", list(MODELS))
def test_the_precision_is_that_of_all_products_and_their_gradients(name):
    task = task_of(name, "tpu", matmul_precision="highest")
    params, state = random_variables(task)
    batch = {
        "audio": jnp.zeros((2, 64 if name == "wavenet" else 64_000)),
        **dict.fromkeys(("pitch", "family", "source"), jnp.zeros(2, jnp.int32)),
        "qualities": jnp.zeros((2, 10), bool),
    }

    def loss(params):
        return task.loss(params, state, batch, train=True)[0]["loss"].mean()

    text = str(jax.make_jaxpr(jax.grad(loss))(params))
    # One setting a product; the transform to spectra is a Fourier transform.
    products = text.count("= dot_general[") + text.count("= conv_general_dilated[")
    assert text.count("Precision.HIGHEST, Precision.HIGHEST") == products > 20
