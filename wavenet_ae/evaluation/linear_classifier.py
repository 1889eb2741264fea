"""Logistic regression from features to labels."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

_HELD_OUT = 0.2
_MOST_ITERATIONS = 1_000


class Prediction(NamedTuple):
    """Predictions of a classifier.

    Attributes:
        labels: `[test notes]`.
        l2_penalty: the chosen one, or None where there was nothing to learn.
        converged: whether the solver converged.
    """

    labels: np.ndarray
    l2_penalty: float | None
    converged: bool


def predict(
    train: np.ndarray,
    labels: np.ndarray,
    instruments: np.ndarray,
    test: np.ndarray,
    l2_penalties: Sequence[float],
    seed: int,
) -> Prediction:
    """Learns one label from the training notes and predicts it for the test notes.

    The penalty is the one with the best score on held-out training notes (the largest among
    equals); the classifier is then fitted to all training notes. The softmax has the classes of
    the training notes; where there is only one class, it is the prediction.

    Args:
        train: float `[train notes, features]`, standardised.
        labels: `[train notes]`.
        instruments: str `[train notes]`.
        test: float `[test notes, features]`, on the scale of `train`.
        l2_penalties: to choose from; the loss is the mean cross-entropy in nats plus half the
            penalty times the squared norm of the weights.
        seed: of the choice of held-out notes.
    """
    if (labels == labels[0]).all():
        return Prediction(np.full(len(test), labels[0]), None, True)
    held_out = hold_out(labels, instruments, seed)
    chosen = max(l2_penalties)
    if len(l2_penalties) > 1 and held_out.any():
        fitted, scored = train[~held_out], train[held_out]
        scores = {
            penalty: _fit(fitted, labels[~held_out], penalty)[0].score(scored, labels[held_out])
            for penalty in l2_penalties
        }
        chosen = max(scores, key=lambda penalty: (scores[penalty], penalty))
    classifier, converged = _fit(train, labels, chosen)
    return Prediction(classifier.predict(test), chosen, converged)


def hold_out(labels: np.ndarray, instruments: np.ndarray, seed: int) -> np.ndarray:
    """Chooses training notes on which to compare penalties: bool `[notes]`, about a fifth.

    They are all notes of some instruments, except of classes that only these instruments have.
    If that leaves fewer than two classes, notes of every class are taken instead, whatever their
    instrument. No class is held out completely.
    """
    rng = np.random.default_rng(seed)
    names = np.unique(instruments)
    count = min(max(1, round(_HELD_OUT * len(names))), len(names) - 1)
    chosen = np.isin(instruments, rng.permutation(names)[:count])
    chosen &= np.isin(labels, labels[~chosen])
    if len(np.unique(labels[chosen])) >= 2:
        return chosen
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        places = rng.permutation(np.flatnonzero(labels == label))
        count = min(max(1, round(_HELD_OUT * len(places))), len(places) - 1)
        chosen[places[:count]] = True
    return chosen


def _fit(
    features: np.ndarray, labels: np.ndarray, l2_penalty: float
) -> tuple[LogisticRegression, bool]:
    # scikit-learn weighs the sum of the losses, not their mean.
    classifier = LogisticRegression(C=1 / (l2_penalty * len(labels)), max_iter=_MOST_ITERATIONS)
    # Its iterations are short: on busy cores, several threads would take far longer.
    with threadpool_limits(1), warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")  # the other warning is about few notes with many pitches
        classifier.fit(features, labels)
    return classifier, not any(issubclass(w.category, ConvergenceWarning) for w in found)
