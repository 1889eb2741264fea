import jax
import numpy as np
import pytest
import scipy.special
from variables import random_variables

from wavenet_ae import tasks
from wavenet_ae.audio import representations
from wavenet_ae.models.classifier import Logits
from wavenet_ae.system.errors import UserError
from wavenet_ae.tasks.classifier import accuracies

CONFIG = {
    "task": "classifier",
    "model": {
        "narrow_channels": 2,
        "middle_channels": 3,
        "wide_channels": 4,
        "bottleneck_channels": 5,
    },
}
LABELS = {
    "pitch": np.array([60, 127], np.int32),
    "family": np.array([10, 0], np.int32),
    "source": np.array([0, 2], np.int32),
    "qualities": np.arange(20).reshape(2, 10) % 3 == 0,
}


@pytest.fixture(scope="module")
def task():
    return tasks.create(CONFIG)


@pytest.fixture(scope="module")
def weights(task):
    return random_variables(task)


@pytest.fixture(scope="module")
def loss(task):
    return jax.jit(task.loss, static_argnames="train")


@pytest.fixture(scope="module")
def batch():
    audio = np.random.default_rng(0).uniform(-0.6, 0.6, (2, 64_000)).astype(np.float32)
    return {"audio": audio, **LABELS}


@pytest.fixture(scope="module")
def evaluated(loss, weights, batch):
    return loss(*weights, batch, train=False)


def test_the_loss_is_the_sum_of_four_cross_entropies(task, weights, batch, evaluated):
    params, state = weights
    seen = representations.from_audio(batch["audio"], "log_magnitude")
    logits = jax.jit(task.model.apply)({"params": params, **state}, seen)
    logits = Logits(*(np.asarray(part, np.float64) for part in logits))
    expected = 0
    for name in ("pitch", "family", "source"):
        log_shares = scipy.special.log_softmax(getattr(logits, name), axis=1)
        expected -= log_shares[np.arange(2), batch[name]]
    right = np.where(batch["qualities"], logits.qualities, -logits.qualities)
    expected -= scipy.special.log_expit(right).mean(axis=1)
    metrics, _ = evaluated
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-5)
    for name in ("pitch", "family", "source"):
        share = np.argmax(getattr(logits, name), axis=1) == batch[name]
        np.testing.assert_array_equal(metrics[f"{name}_accuracy"], share)


def test_evaluation_scores_every_note_for_itself(loss, weights, batch, evaluated):
    metrics, state = evaluated
    jax.tree.map(np.testing.assert_array_equal, state, weights[1])
    other = {name: np.stack([value[0], value[0]]) for name, value in batch.items()}
    beside, _ = loss(*weights, other, train=False)
    assert beside.keys() == metrics.keys()
    for name, values in beside.items():
        np.testing.assert_allclose(values[0], metrics[name][0], rtol=1e-5)
    assert abs(beside["loss"][1] - metrics["loss"][1]) > 1e-3


def test_training_normalises_by_the_batch_and_moves_all_statistics(loss, weights, batch, evaluated):
    metrics, state = loss(*weights, batch, train=True)
    assert jax.tree.structure(state) == jax.tree.structure(weights[1])
    moved = jax.tree.map(lambda a, b: np.abs(a - b).min(), state, weights[1])
    assert min(jax.tree.leaves(moved)) > 0
    assert np.abs(metrics["loss"] - evaluated[0]["loss"]).min() > 1e-3


def test_accuracies_by_hand():
    def answers(size, best):
        return np.eye(size, dtype=np.float32)[best] - 0.5

    labels = {name: value for name, value in LABELS.items() if name != "qualities"}
    # The first note has the qualities 0, 3, 6 and 9. It is said to have 0 to 4: 0, 3, 5, 7, 8 are
    # right. The second has 2, 5 and 8 and is said to have none.
    labels["qualities"] = LABELS["qualities"]
    qualities = np.stack([np.where(np.arange(10) < 5, 2.0, -2.0), np.zeros(10)])
    logits = Logits(
        pitch=answers(128, [60, 126]),
        qualities=qualities.astype(np.float32),
        family=answers(11, [9, 0]),
        source=answers(3, [1, 0]),
    )
    found = accuracies(logits, labels)
    expected = {
        "pitch_accuracy": [1, 0],
        "family_accuracy": [0, 1],
        "source_accuracy": [0, 0],
        "quality_accuracy": [0.5, 0.7],
    }
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-6)


def test_trivial_baselines_do_not_look_at_the_notes(task):
    def some(pitch, family, source, num_qualities):
        return {
            "pitch": np.array(pitch, np.int32),
            "family": np.array(family, np.int32),
            "source": np.array(source, np.int32),
            "qualities": np.arange(10) < np.array(num_qualities)[:, None],
        }

    batches = [
        some([21, 60], [0, 0], [2, 1], [0, 1]),
        some([60, 60, 108], [3, 4, 5], [2] * 3, [5, 0, 0]),
    ]
    assert task.trivial_baselines(iter(batches)) == pytest.approx(
        {
            "most_frequent_pitch_accuracy": 3 / 5,
            "most_frequent_family_accuracy": 2 / 5,
            "most_frequent_source_accuracy": 4 / 5,
        }
    )


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (
            "num_pitches",
            88,
            "config.model.num_pitches=88 must be 128, as many as NSynth's notes have",
        ),
        ("num_qualities", 9, "num_qualities=9 must be 10, as"),
        ("num_families", 12, "num_families=12 must be 11, as"),
        ("num_sources", 2, "num_sources=2 must be 3, as"),
        ("dtype", "float16", "config.model.dtype='float16' must be float32 or bfloat16"),
        ("batch_norm_decay", 1.0, "batch_norm_decay=1.0 must be 0 or more and below 1"),
        ("batch_norm_decay", float("nan"), "batch_norm_decay=nan must be 0 or more and below 1"),
        ("wide_channels", 0, "config.model.wide_channels=0 must be a whole number from 1 to 65536"),
        (
            "embedding_size",
            9,
            "config.model.embedding_size is not a setting of this config.*: it has batch",
        ),
    ],
)
def test_wrong_settings_are_named(field, value, reason):
    with pytest.raises(UserError, match=reason):
        tasks.create({**CONFIG, "model": {**CONFIG["model"], field: value}})
