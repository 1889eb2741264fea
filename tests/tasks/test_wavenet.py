import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from wavenet_ae.audio import mu_law
from wavenet_ae.models.autoencoder import WaveNetAutoencoder
from wavenet_ae.system.errors import UserError
from wavenet_ae.tasks.wavenet import WaveNetTask


def test_trivial_baselines_are_the_entropies_of_ignorance_and_of_the_histogram():
    task = WaveNetTask(WaveNetAutoencoder(), crop_samples=512)
    rng = np.random.default_rng(0)
    batches = [{"audio": rng.normal(0, 0.1, (2, 512)).astype(np.float32)} for _ in range(3)]
    codes = np.concatenate([np.asarray(mu_law.encode(b["audio"])).ravel() for b in batches])
    _, counts = np.unique(codes, return_counts=True)
    found = task.trivial_baselines(batches)
    assert found["uniform_bits_per_sample"] == 8
    assert found["histogram_bits_per_sample"] == pytest.approx(
        scipy.stats.entropy(counts, base=2), rel=1e-6
    )


def test_a_constant_sound_surprises_nobody():
    task = WaveNetTask(WaveNetAutoencoder(), crop_samples=512)
    silence = [{"audio": np.zeros((1, 512), np.float32)}]
    assert task.trivial_baselines(silence)["histogram_bits_per_sample"] == 0


def test_noise_reaches_the_decoders_past_alone():
    model = WaveNetAutoencoder(4, 2, 4, 4, 3, 3, embedding_size=2, hop_length=64)
    task = WaveNetTask(model, crop_samples=128)
    params, _ = task.init(jax.random.key(0))
    audio = np.random.default_rng(0).normal(0, 0.1, (1, 128)).astype(np.float32)

    def loss(**noise):
        batch = {"audio": audio, "pitch": np.zeros(1, np.int32), **noise}
        return float(task.loss(params, {}, batch, train=True)[0]["loss"][0])

    def noise_at(place):
        return {
            "decoder_input_noise": np.where(np.arange(128) == place, 9, 0).astype(np.int8)[None]
        }

    assert loss(**noise_at(None)) == loss()
    # No sample follows the last one, and neither the encoder nor the targets get the noise.
    assert loss(**noise_at(127)) == loss()
    assert loss(**noise_at(60)) != loss()


def test_lags_begin_without_an_influence_and_learn():
    model = WaveNetAutoencoder(4, 2, 4, 4, 3, 3, embedding_size=2, hop_length=64, num_pitches=128)
    plain = WaveNetTask(model, crop_samples=256)
    task = WaveNetTask(model.clone(pitch_lags=2), crop_samples=256)
    theirs, _ = plain.init(jax.random.key(0))
    new, _ = task.init(jax.random.key(1))
    assert task.may_differ == ("pitch_lags",)
    params = task.start_params(new, theirs)
    assert jax.tree.structure(params) == jax.tree.structure(new)
    audio = np.random.default_rng(0).normal(0, 0.1, (2, 256)).astype(np.float32)
    batch = {"audio": audio, "pitch": np.array([90, 100], np.int32)}

    def loss(task, params):
        return task.loss(params, {}, batch, train=True)[0]["loss"].mean()

    np.testing.assert_allclose(loss(task, params), loss(plain, theirs), rtol=1e-6)
    gradient = jax.grad(loss, argnums=1)(task, params)["decoder"]["lagged"]["kernel"]
    assert np.all(np.abs(gradient).max(axis=0) > 0)
    other = batch | {"pitch": np.array([91, 101], np.int32)}
    params["decoder"]["lagged"]["kernel"] = jnp.ones_like(gradient)
    with_other = task.loss(params, {}, other, train=True)[0]["loss"].mean()
    assert not np.isclose(with_other, loss(task, params), rtol=1e-4)


def test_another_number_of_lags_is_refused():
    model = WaveNetAutoencoder(
        4, 2, 4, 4, 3, 3, embedding_size=2, hop_length=64, num_pitches=128, pitch_lags=2
    )
    theirs, _ = WaveNetTask(model, crop_samples=256).init(jax.random.key(0))
    for lags in (0, 3):
        task = WaveNetTask(model.clone(pitch_lags=lags), crop_samples=256)
        new, _ = task.init(jax.random.key(0))
        with pytest.raises(UserError, match=f"lags than config.model.pitch_lags={lags}: choose"):
            task.start_params(new, theirs)
    with pytest.raises(UserError, match=r"pitch_lags=2 needs config.model.num_pitches=128"):
        WaveNetTask(model.clone(num_pitches=0), crop_samples=256)


def test_codes_stay_codes():
    codes = mu_law.add(np.array([-128, 0, 126], np.int32), np.array([-3, 5, 9], np.int8))
    assert codes.tolist() == [-128, 5, 127]
