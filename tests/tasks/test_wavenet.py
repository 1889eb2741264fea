import jax
import numpy as np
import pytest
import scipy.stats

from wavenet_ae.audio import mu_law
from wavenet_ae.models.autoencoder import WaveNetAutoencoder
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


def test_codes_stay_codes():
    codes = mu_law.add(np.array([-128, 0, 126], np.int32), np.array([-3, 5, 9], np.int8))
    assert codes.tolist() == [-128, 5, 127]
