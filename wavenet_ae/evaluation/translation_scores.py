"""Scores of translations: whether their melody stays, and whose timbre they have."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from wavenet_ae.audio import pitch_tracker
from wavenet_ae.evaluation import melody
from wavenet_ae.evaluation.domain_probes import TimbreProbe
from wavenet_ae.evaluation.intervals import mean_with_interval
from wavenet_ae.system import processes

SOURCE, OTHER = "source", "another_excerpt"
RECONSTRUCTED, TRANSLATED = "reconstructed", "translated"
_EXCERPT = "excerpt"

# By the name of a column, a number for each sound; NaN where there is none. The column `excerpt`
# says of which excerpt a translation is, where there are several of each.
Scores = Mapping[str, np.ndarray]


class Sounds(NamedTuple):
    """Sounds of one length, as many of each domain, sorted by domain.

    Attributes:
        audio: float32 `[sounds, samples]`.
        domains: int `[sounds]`, positions in the network's domains.
    """

    audio: np.ndarray
    domains: np.ndarray


class Judge:
    """Scores translations of some sounds.

    Attributes:
        test: the sounds.
        windows: of them, float32 `[sounds, windows, samples]`.
    """

    def __init__(self, test: Sounds, timbre: TimbreProbe, window_samples: int):
        """Tracks the melodies of the sounds.

        Args:
            test: the sounds.
            timbre: names the domain of a window.
            window_samples: of a window, no more than the sounds have.
        """
        self.test, self._timbre, self._window_samples = test, timbre, window_samples
        self.windows = self._cut(test.audio)
        self._melodies = _contours(test.audio, "pitch of the sources")

    def of_sources(self) -> dict[str, Scores]:
        """Scores the sounds as they are, and how much of a melody the next one has by chance."""
        others = self.test.domains.max()
        named = self._named(self.windows)
        of_source = _of_timbre(named, self.test.domains, self.test.domains)
        # Without a translation, every other domain is as little the target as the next.
        of_source["target_named"] = (1 - of_source["source_named"]) / others
        following = [*self._melodies[1:], self._melodies[0]]
        return {SOURCE: of_source, OTHER: _of_melody(self._melodies, following)}

    def of_translations(self, audio: np.ndarray, target: int) -> Scores:
        """Scores all sounds translated to one domain.

        Args:
            audio: float32, of the shape of `test.audio`.
            target: the domain's position.

        Returns:
            `target_named` and `source_named`, shares of the windows, the fields of `melody.Kept`,
            and `excerpt`.
        """
        named = self._named(self._cut(audio))
        targets = np.full(len(audio), target)
        contours = _contours(audio, "pitch of translations")
        scores = _of_timbre(named, targets, self.test.domains)
        return scores | _of_melody(self._melodies, contours) | {_EXCERPT: np.arange(len(audio))}

    def _cut(self, audio: np.ndarray) -> np.ndarray:
        count = audio.shape[1] // self._window_samples
        whole = audio[:, : count * self._window_samples]
        return whole.reshape(len(audio), count, self._window_samples)

    def _named(self, windows: np.ndarray) -> np.ndarray:
        named = self._timbre.name(windows.reshape(-1, self._window_samples))
        return named.reshape(windows.shape[:2])


def reconstructed_and_translated(
    scores: Sequence[Scores], sources: np.ndarray
) -> dict[str, Scores]:
    """Divides scores into those of sounds that stay in their domain, and of all others.

    Args:
        scores: by target, of all sounds.
        sources: int `[sounds]`, the domain of each.
    """

    def joined(stays: bool) -> Scores:
        kept = [(sources == target) == stays for target in range(len(scores))]
        return {
            name: np.concatenate([s[name][k] for s, k in zip(scores, kept, strict=True)])
            for name in scores[0]
        }

    return {RECONSTRUCTED: joined(True), TRANSLATED: joined(False)}


def by_pair(scores: Sequence[Scores], sources: np.ndarray) -> dict[str, list[list[float | None]]]:
    """Returns the mean of some columns by source (rows) and target (columns), None for none."""

    def mean(values: np.ndarray) -> float | None:
        known = values[~np.isnan(values)]
        return float(known.mean()) if len(known) else None

    return {
        name: [
            [mean(of_target[name][sources == source]) for of_target in scores]
            for source in range(len(scores))
        ]
        for name in ("pitch", "target_named")
    }


def summarise(scores: Scores, seed: int) -> dict[str, dict[str, float]]:
    """Returns each column's mean and the ends of its 95 % interval; NaN does not count.

    Args:
        scores: columns with fewer than two numbers are left out.
        seed: of the interval's draws.
    """
    excerpts, summary = scores.get(_EXCERPT), {}
    for name, values in scores.items():
        known = ~np.isnan(values)
        if name != _EXCERPT and known.sum() > 1:
            clusters = None if excerpts is None else excerpts[known]
            summary[name] = mean_with_interval(values[known], clusters, seed)
    return summary


def _contours(audio: np.ndarray, what: str) -> list[np.ndarray]:
    return [
        pitch_tracker.contour(sound) for sound in processes.progress(audio, unit="sound", desc=what)
    ]


def _of_timbre(
    named: np.ndarray, targets: np.ndarray, sources: np.ndarray
) -> dict[str, np.ndarray]:
    return {
        "target_named": (named == targets[:, None]).mean(axis=1),
        "source_named": (named == sources[:, None]).mean(axis=1),
    }


def _of_melody(
    melodies: Sequence[np.ndarray], others: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    nothing = melody.Kept(np.nan, np.nan, np.nan)
    kept = [melody.compare(*both) or nothing for both in zip(melodies, others, strict=True)]
    return dict(zip(melody.Kept._fields, np.array(kept).T, strict=True))
