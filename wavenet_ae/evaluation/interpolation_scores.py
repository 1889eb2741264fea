"""What a classifier names in the sounds between two notes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wavenet_ae.audio import files
from wavenet_ae.data import nsynth
from wavenet_ae.evaluation.intervals import mean_with_interval
from wavenet_ae.evaluation.scores import Scorer
from wavenet_ae.training.trained import TrainedModel

_ROWS = 8  # scored at a time, to bound the memory


class InterpolatedPair(NamedTuple):
    """Two notes and the sounds between them.

    Attributes:
        families: NSynth's names of the first note's family and of the second's.
        pitches: MIDI, by weight: what was given to the models.
        sounds: by row of the page, the file of each weight; of a note's length.
    """

    families: tuple[str, str]
    pitches: Sequence[int]
    sounds: Mapping[str, Sequence[Path]]


def classify(
    classifier: TrainedModel, pairs: Sequence[InterpolatedPair], seed: int
) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Classifies the pitch and the family of all sounds.

    Args:
        classifier: of the task `classifier`.
        pairs: at least two, all with the same number of weights and the same rows.
        seed: of the intervals' draws.

    Returns:
        By row of the page, how often it names the given `pitch`, the `first_family` and the
        `second_family`: for each weight the `mean` over the pairs, and `low` and `high`, the 95 %
        interval.
    """
    scorer = Scorer(classifier)

    def score(audio: np.ndarray, labels: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        parts = [
            scorer(audio[i : i + _ROWS], {k: v[i : i + _ROWS] for k, v in labels.items()})
            for i in range(0, len(audio), _ROWS)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def shares(row: str, weight: int) -> dict[str, dict[str, float]]:
        audio = np.stack([files.load(pair.sounds[row][weight]) for pair in pairs])
        labels = {
            "pitch": np.array([pair.pitches[weight] for pair in pairs], np.int32),
            # Not used.
            "source": np.zeros(len(pairs), np.int32),
            "qualities": np.zeros((len(pairs), len(nsynth.QUALITIES)), bool),
        }
        first, second = (
            score(audio, labels | {"family": np.array([nsynth.FAMILIES.index(f) for f in names])})
            for names in zip(*(pair.families for pair in pairs), strict=True)
        )
        return {
            "pitch": mean_with_interval(first["pitch_accuracy"], None, seed),
            "first_family": mean_with_interval(first["family_accuracy"], None, seed),
            "second_family": mean_with_interval(second["family_accuracy"], None, seed),
        }

    classified = {}
    for row in pairs[0].sounds:
        by_weight = [shares(row, weight) for weight in range(len(pairs[0].pitches))]
        classified[row] = {what: [s[what] for s in by_weight] for what in by_weight[0]}
    return classified
