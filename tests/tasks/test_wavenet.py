import numpy as np
import pytest
import scipy.stats

from wavenet_ae.audio import mu_law
from wavenet_ae.models.autoencoder import WaveNetAutoencoder
from wavenet_ae.tasks.wavenet import WaveNetTask


def test_references_are_the_entropies_of_ignorance_and_of_the_histogram():
    task = WaveNetTask(WaveNetAutoencoder(), crop_samples=512)
    rng = np.random.default_rng(0)
    batches = [{"audio": rng.normal(0, 0.1, (2, 512)).astype(np.float32)} for _ in range(3)]
    codes = np.concatenate([np.asarray(mu_law.encode(b["audio"])).ravel() for b in batches])
    _, counts = np.unique(codes, return_counts=True)
    found = task.references(batches)
    assert found["uniform_bits_per_sample"] == 8
    assert found["histogram_bits_per_sample"] == pytest.approx(
        scipy.stats.entropy(counts, base=2), rel=1e-6
    )


def test_a_constant_sound_surprises_nobody():
    task = WaveNetTask(WaveNetAutoencoder(), crop_samples=512)
    silence = [{"audio": np.zeros((1, 512), np.float32)}]
    assert task.references(silence)["histogram_bits_per_sample"] == 0
