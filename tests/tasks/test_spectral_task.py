import jax
import numpy as np
import pytest
from variables import random_variables

from wavenet_ae import tasks
from wavenet_ae.audio import representations
from wavenet_ae.system.errors import UserError
from wavenet_ae.tasks.spectral_loss import frequency_weights

CONFIG = {
    "task": "spectral",
    "model": {
        "narrow_channels": 2,
        "middle_channels": 3,
        "wide_channels": 4,
        "bottleneck_channels": 5,
        "embedding_size": 6,
        "pitch_embedding_size": 3,
    },
}


def create(**changes):
    return tasks.create({**CONFIG, "model": {**CONFIG["model"], **changes}})


@pytest.fixture(scope="module")
def batch():
    audio = np.random.default_rng(0).uniform(-0.6, 0.6, (2, 64_000)).astype(np.float32)
    return {"audio": audio, "pitch": np.array([60, 72], np.int32)}


@pytest.mark.parametrize("representation", representations.REPRESENTATIONS)
def test_the_loss_is_the_weighted_error_of_the_models_answer(representation, batch):
    task = create(representation=representation)
    params, state = random_variables(task)
    metrics, _ = jax.jit(task.loss, static_argnames="train")(params, state, batch, train=False)
    target = representations.from_audio(batch["audio"], representation)
    answer = jax.jit(task.model.apply)({"params": params, **state}, target, batch["pitch"])
    error = np.square(np.asarray(target, np.float64) - np.asarray(answer, np.float64))
    weighted = error * frequency_weights()[:, None, None]
    assert metrics.keys() == {"loss"}
    np.testing.assert_allclose(metrics["loss"], weighted.mean((1, 2)).sum(-1), rtol=1e-5)


def test_batches_count_in_training_alone(batch):
    task = create()
    params, state = random_variables(task)
    loss = jax.jit(task.loss, static_argnames="train")
    # The second note gives way to the first, a fifth higher for the decoder.
    other = {"audio": batch["audio"][[0, 0]], "pitch": np.array([60, 67], np.int32)}
    evaluated, same_state = loss(params, state, batch, train=False)
    beside, _ = loss(params, state, other, train=False)
    jax.tree.map(np.testing.assert_array_equal, same_state, state)
    np.testing.assert_allclose(beside["loss"][0], evaluated["loss"][0], rtol=1e-5)
    assert abs(beside["loss"][1] - evaluated["loss"][1]) > 1e-4

    trained, moved_state = loss(params, state, batch, train=True)
    trained_beside, _ = loss(params, state, other, train=True)
    assert abs(trained["loss"][0] - evaluated["loss"][0]) > 1e-4
    assert abs(trained_beside["loss"][0] - trained["loss"][0]) > 1e-4
    assert jax.tree.structure(moved_state) == jax.tree.structure(state)
    moved = jax.tree.map(lambda a, b: np.abs(a - b).min(), moved_state, state)
    assert min(jax.tree.leaves(moved)) > 0


@pytest.mark.parametrize("representation", representations.REPRESENTATIONS)
def test_the_trivial_baseline_is_the_loss_of_the_mean(representation):
    rng = np.random.default_rng(1)
    batches = [{"audio": rng.normal(0, 0.1, (n, 64_000)).astype(np.float32)} for n in (2, 1)]
    seen = np.concatenate([representations.from_audio(b["audio"], representation) for b in batches])
    error = np.square(seen.astype(np.float64) - seen.astype(np.float64).mean(axis=0))
    weighted = error * frequency_weights()[:, None, None]
    expected = weighted.mean(axis=(1, 2)).sum(axis=1).mean()
    found = create(representation=representation).trivial_baselines(iter(batches))
    assert found == {"mean_spectrogram_loss": pytest.approx(expected, rel=1e-6)}


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("representation", "raw", "config.model.representation='raw' must be log_magnitude, "),
        ("dtype", "float16", "config.model.dtype='float16' must be float32 or bfloat16"),
        ("batch_norm_decay", 1.0, "config.model.batch_norm_decay=1.0 must be 0 or more and below"),
        ("batch_norm_decay", -0.1, "batch_norm_decay=-0.1 must be 0 or more and below 1"),
        (
            "narrow_channels",
            0,
            "config.model.narrow_channels=0 must be a whole number from 1 to",
        ),
        ("embedding_size", 0, "config.model.embedding_size=0 must be a whole number from 1 to"),
        ("pitch_embedding_size", 2.5, "config.model.pitch_embedding_size=2.5 must be a whole"),
        ("num_pitches", -1, "config.model.num_pitches=-1 must be a whole number: 0, or 128"),
        ("num_families", 11, "config.model.num_families is not a setting of .*: it has batch"),
    ],
)
def test_wrong_settings_are_named(field, value, reason):
    with pytest.raises(UserError, match=reason):
        create(**{field: value})
