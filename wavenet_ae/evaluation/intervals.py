"""Confidence intervals of scores over notes."""

from collections.abc import Mapping

import numpy as np
from scipy import stats

_NUM_RESAMPLES = 1_000
_CONFIDENCE = 0.95


def bootstrap_interval(
    values: np.ndarray, clusters: np.ndarray | None, seed: int
) -> tuple[float, float]:
    """Returns the 95 % interval of a mean by the percentile bootstrap, from 1,000 resamples.

    Args:
        values: `[notes]`, each note's score; at least two.
        clusters: `[notes]`, what a note belongs to, such as its instrument; None where notes are
            independent. Whole clusters are drawn, since the notes of an instrument tend to
            be right or wrong together. With a single cluster, notes are drawn.
        seed: of the draws; the same seed gives the same interval.

    Returns:
        The lower and the upper end.

    Raises:
        ValueError: there are fewer than two values, or not as many clusters as values.
    """
    if len(values) < 2:
        raise ValueError(f"{len(values)} values have no interval")
    if clusters is not None and len(clusters) != len(values):
        raise ValueError(f"{len(clusters)} clusters for {len(values)} values")
    places = np.arange(len(values))
    if clusters is not None:
        names, members = np.unique(clusters, return_inverse=True)
        places = members if len(names) > 1 else places
    # Clusters differ in size: a resample's mean is that of its notes, not that of its clusters.
    sums, counts = np.bincount(places, values), np.bincount(places)
    interval = stats.bootstrap(
        (sums, counts),
        lambda sums, counts, axis: sums.sum(axis) / counts.sum(axis),
        paired=True,
        vectorized=True,
        batch=50,
        n_resamples=_NUM_RESAMPLES,
        confidence_level=_CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def mean_with_interval(
    values: np.ndarray, clusters: np.ndarray | None, seed: int
) -> dict[str, float]:
    """Returns `mean`, and `low` and `high`, the ends of its interval: see `bootstrap_interval`."""
    low, high = bootstrap_interval(values, clusters, seed)
    return {"mean": float(values.mean()), "low": low, "high": high}


def as_text(score: Mapping[str, float], factor: float = 100, digits: int = 1) -> str:
    """Returns a score of `mean_with_interval` times a factor: `72.5 (66.3 to 79.1)`."""
    mean, low, high = (f"{factor * score[key]:.{digits}f}" for key in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"
