import itertools
import json
import types

import domain_recordings
import jax
import numpy as np
import performance_files
import pytest

from wavenet_ae.data import domain_batches, performance_batches
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
        "decoder_input_shaped_noise": 0.2,
    }
    return config | {"batch_size": 4, "crop_samples": 4_000}


def task(**settings):
    """A stand-in: what of a task is read here."""
    seen = []

    def trivial_baselines(some):
        seen.extend(some)
        return {"seen": len(seen)}

    defaults = {"reads": "domains", "domains": ("noise", "tone"), "crop_samples": 4_000}
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
        decoder_input_shaped_noise=0.2,
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


@pytest.fixture(scope="module")
def performed(tiny_config, tmp_path_factory):
    """The configuration and the stand-in of a task that learns from performances."""
    config = json.loads(tiny_config)
    config["dataset"] |= {
        "name": "performances/five",
        "data_dir": performance_files.build_dataset(tmp_path_factory.mktemp("five")),
        "gain_db": 6.0,
        "decoder_input_noise": 4.0,
        "decoder_input_shaped_noise": 0.2,
        "roll": "onsets",
    }
    config |= {"batch_size": 4, "eval_batches": 2}
    return config, task(reads="performances", crop_samples=640, roll_margin=5)


def test_a_task_of_performances_gets_their_rolls(performed):
    config, stand_in = performed
    split = batches.open_split(config, stand_in, "train")
    got = list(itertools.islice(batches.training_batches(config, stand_in, split, 2), 2))
    expected = performance_batches.training_batches(
        split,
        seed=config["seed"],
        batch_size=4,
        crop_samples=640,
        margin=5,
        roll="onsets",
        gain_db=6.0,
        decoder_input_noise=4.0,
        decoder_input_shaped_noise=0.2,
        first_step=2,
    )
    for a, b in zip(got, expected, strict=False):
        jax.tree.map(np.testing.assert_array_equal, a, b)
    assert got[0]["roll"].shape == (4, 10 + 2 * 5, 88)
    scores = batches.trivial_baselines(config, stand_in, split)
    assert scores == {"reference/seen": min(64, -(-split.num_windows(640) // 4))}
    assert stand_in.seen[0].keys() == {"audio", "roll"}


def test_performances_that_are_shorter_than_a_crop_are_named(performed):
    config, _ = performed
    long = task(reads="performances", crop_samples=64_000, roll_margin=5)
    with pytest.raises(UserError, match=r"fewer than the crop of 64000"):
        batches.open_split(config, long, "train")
