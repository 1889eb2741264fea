"""Classifiers that learn anew which domain a sound or a latent is from, to judge translations."""

from collections.abc import Sequence

import librosa
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.data.degradation import degrade

_NUM_COEFFICIENTS = 20
_MOST_ITERATIONS = 1_000
# As the translation network's own classifier (Mor et al. 2019, the released code).
_HIDDEN_LAYERS = (100, 100, 100)


class TimbreProbe:
    """Logistic regression from the timbre of sounds to their domains.

    It also learns from degraded copies: without them, the noise of a WaveNet misleads it.
    """

    def __init__(self, sounds: np.ndarray, domains: np.ndarray, seed: int):
        """Learns.

        Args:
            sounds: float32 `[sounds, samples]`, 16 kHz.
            domains: int `[sounds]`.
            seed: of the degradations.
        """
        rng = np.random.default_rng(seed)
        degraded = np.stack([degrade(sound, rng) for sound in sounds])
        features = np.concatenate([_timbre(sounds), _timbre(degraded)])
        self._pipeline = make_pipeline(
            StandardScaler(), LogisticRegression(max_iter=_MOST_ITERATIONS)
        )
        _fit(self._pipeline, features, np.tile(domains, 2))

    def name(self, sounds: np.ndarray) -> np.ndarray:
        """Returns the domains of sounds like those that it learned from, int `[sounds]`."""
        return self._pipeline.predict(_timbre(sounds))


class LatentProbe:
    """A perceptron with three hidden layers from the frames of latents to their domains."""

    def __init__(self, latents: np.ndarray, domains: np.ndarray, seed: int):
        """Learns.

        Args:
            latents: float `[sounds, frames, channels]`.
            domains: int `[sounds]`.
            seed: of the initial weights and the frames that are held out to stop in time.
        """
        network = MLPClassifier(_HIDDEN_LAYERS, early_stopping=True, random_state=seed)
        self._pipeline = make_pipeline(StandardScaler(), network)
        frames = latents.reshape(-1, latents.shape[-1])
        _fit(self._pipeline, frames, np.repeat(domains, latents.shape[1]))

    def name(self, latents: np.ndarray) -> np.ndarray:
        """Returns the domain that is the most probable over all frames, int `[sounds]`."""
        frames = latents.reshape(-1, latents.shape[-1])
        with threadpool_limits(1):
            by_frame = self._pipeline.predict_log_proba(frames)
        return by_frame.reshape(*latents.shape[:2], -1).sum(axis=1).argmax(axis=-1)


def _fit(pipeline: Pipeline, features: np.ndarray, labels: np.ndarray) -> None:
    # Its iterations are short: on busy cores, several threads would take far longer.
    with threadpool_limits(1):
        pipeline.fit(features, labels)


def _timbre(sounds: Sequence[np.ndarray]) -> np.ndarray:
    """Describes sounds by mel-frequency cepstral coefficients, whatever their loudness.

    Returns:
        `[sounds, features]`: the mean of each coefficient over time, its standard deviation, and
        its mean change from frame to frame.
    """
    features = []
    for sound in sounds:
        coefficients = librosa.feature.mfcc(
            y=sound, sr=SAMPLE_RATE_HZ, n_mfcc=1 + _NUM_COEFFICIENTS
        )[1:]
        changes = np.abs(np.diff(coefficients)).mean(axis=1)
        features.append([coefficients.mean(axis=1), coefficients.std(axis=1), changes])
    return np.reshape(features, (len(features), -1))
