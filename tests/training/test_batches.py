import itertools
import json
import types

import domain_recordings
import jax
import numpy as np
import pytest

from wavenet_ae.data import domain_batches
from wavenet_ae.system.errors import UserError
from wavenet_ae.training import batches


@pytest.fixture(scope="module")
def config(tiny_config, tmp_path_factory):
    """Of a task that translates between domains of recordings."""
    config = json.loads(tiny_config)
    config["dataset"] |= {
        "name": "recordings/three",
        "data_dir": domain_recordings.build_dataset(tmp_path_factory.mktemp("three")),
        "gain_db": 6.0,
        "detune_semitones": 0.5,
        "decoder_input_noise": 4.0,
    }
    return config | {"batch_size": 4, "crop_samples": 4_000}


def task(**settings):
    """A stand-in: what of a task is read here."""
    seen = []

    def trivial_baselines(some):
        seen.extend(some)
        return {"seen": len(seen)}

    defaults = {"domains": ("noise", "tone"), "crop_samples": 4_000}
    return types.SimpleNamespace(
        **{**defaults, **settings}, trivial_baselines=trivial_baselines, seen=seen
    )


def test_a_task_with_domains_gets_batches_of_domains(config):
    split = batches.open_split(config, task(), "train")
    got = list(itertools.islice(batches.training_batches(config, task(), split, 2), 2))
    expected = domain_batches.training_batches(
        split,
        seed=config["seed"],
        batch_size=4,
        crop_samples=4_000,
        gain_db=6.0,
        detune_semitones=0.5,
        decoder_input_noise=4.0,
        first_step=2,
    )
    for a, b in zip(got, expected, strict=False):
        jax.tree.map(np.testing.assert_array_equal, a, b)
    assert np.any(got[0]["audio"] != got[0]["augmented"])


def test_gains_are_the_same_for_both_sounds(config):
    split = batches.open_split(config, task(), "train")
    settings = {"seed": 0, "batch_size": 4, "crop_samples": 4_000}
    plain = next(domain_batches.training_batches(split, **settings))
    louder = next(domain_batches.training_batches(split, **settings, gain_db=6.0))
    np.testing.assert_array_equal(louder["audio"], louder["augmented"])
    gains = np.abs(louder["audio"]).max(axis=1) / np.abs(plain["audio"]).max(axis=1)
    np.testing.assert_allclose(louder["audio"], plain["audio"] * gains[:, None], atol=1e-6)
    assert np.all(gains > 0.999)
    assert np.all(gains < 2.0)
    assert np.ptp(gains) > 0.01


def test_baselines_are_of_one_epoch_without_augmentation(config):
    stand_in = task()
    split = batches.open_split(config, stand_in, "train")
    scores = batches.trivial_baselines(config, stand_in, split)
    windows = sum(int(length) // 4_000 for length in split.sounds.lengths[np.r_[*split.members]])
    assert scores == {"reference/seen": min(64, -(-windows // 4))}
    for batch in stand_in.seen:
        np.testing.assert_array_equal(batch["audio"], batch["augmented"])


def test_short_recordings_are_named_before_the_training(config):
    with pytest.raises(UserError, match=r"tone/. has 32000 samples, fewer than the crop of 32001"):
        batches.open_split(config, task(crop_samples=32_001), "train")
