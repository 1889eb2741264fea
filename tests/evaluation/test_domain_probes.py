import numpy as np
import pytest

from wavenet_ae.evaluation.domain_probes import LatentProbe, TimbreProbe

SECOND = np.arange(16_000) / 16_000


def sounds(count, seed):
    """Tones of any pitch and loudness: pure, and of many harmonics."""
    rng = np.random.default_rng(seed)
    domains = np.arange(count) % 2
    frequency = rng.uniform(200, 800, (count, 1))
    phase = 2 * np.pi * frequency * SECOND
    rich = sum(np.sin(k * phase) / k for k in range(1, 9)) / 3
    audio = np.where(domains[:, None] == 0, np.sin(phase), rich)
    return (rng.uniform(0.02, 0.5, (count, 1)) * audio).astype(np.float32), domains


def test_timbre_is_heard_whatever_pitch_loudness_and_a_samplers_noise():
    probe = TimbreProbe(*sounds(60, seed=0), seed=0)
    audio, domains = sounds(30, seed=1)
    assert np.mean(probe.name(audio) == domains) > 0.9
    codes = np.random.default_rng(2).normal(0, 2, audio.shape) / 128
    compressed = np.sign(audio) * np.log1p(255 * np.abs(audio)) / np.log(256) + codes
    noisy = np.sign(compressed) * np.expm1(np.abs(compressed) * np.log(256)) / 255
    assert np.mean(probe.name(noisy.astype(np.float32)) == domains) > 0.8


@pytest.mark.parametrize("differ", [True, False])
def test_latents_tell_their_domain_only_if_they_differ_by_it(differ):
    rng = np.random.default_rng(0)
    domains = np.repeat([0, 1, 2], 60)
    latents = rng.normal(size=(180, 10, 4))
    # Not linearly: the domains differ in spread alone.
    latents *= np.where(differ, (1 + domains), 1)[:, None, None]
    learned = np.arange(180) % 2 == 0
    probe = LatentProbe(latents[learned], domains[learned], seed=0)
    right = np.mean(probe.name(latents[~learned]) == domains[~learned])
    assert right > 0.8 if differ else right < 0.5
