import numpy as np
import pytest

from wavenet_ae.evaluation import linear_classifier
from wavenet_ae.evaluation.linear_classifier import hold_out, predict

PENALTIES = (1e-3, 1e-2, 1e2)
RNG = np.random.default_rng(0)
INSTRUMENTS = np.repeat([f"flute_acoustic_{i:03d}" for i in range(20)], 15)
LABELS = np.tile(np.arange(3), 100)
NOISE = RNG.normal(size=(300, 10))
READABLE = np.concatenate([np.eye(3)[LABELS], NOISE], axis=1)


def read_off(features, labels=LABELS, penalties=PENALTIES, test=None):
    test = features if test is None else test
    return predict(features[:200], labels[:200], INSTRUMENTS[:200], test[200:], penalties, seed=0)


def accuracy(prediction, labels=LABELS):
    return (prediction.labels == labels[200:]).mean()


def test_labels_are_read_off_features_that_hold_them():
    assert accuracy(read_off(READABLE)) == 1
    assert accuracy(read_off(NOISE)) == pytest.approx(1 / 3, abs=0.12)


def test_penalty_is_the_one_that_suits_the_held_out_notes():
    # So large a penalty leaves the weights at nearly zero: the most frequent class is answered.
    labels = np.where(np.arange(300) % 3 == 0, 7, 9)
    features = np.eye(10)[labels] + 0.1 * NOISE
    assert accuracy(read_off(features, labels, (1e2,)), labels) == pytest.approx(2 / 3, abs=0.02)
    chosen = read_off(features, labels)
    assert accuracy(chosen, labels) == 1
    assert chosen.l2_penalty == 1e-2  # as right as the smaller one


def test_what_was_learned_too_well_is_not_chosen():
    # One feature tells something, and there are as many others as it takes to learn by heart.
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 250))
    features[:, 0] *= 3
    labels = features[:, 0] + rng.normal(size=300) > 0
    penalties = (1e-5, 3.0)
    by_heart, chosen = read_off(features, labels, (1e-5,)), read_off(features, labels, penalties)
    again = predict(features[:200], labels[:200], INSTRUMENTS[:200], features[:200], (1e-5,), 0)
    assert (again.labels == labels[:200]).all()
    assert chosen.l2_penalty == 3.0
    assert accuracy(chosen, labels) > accuracy(by_heart, labels)


def test_choice_does_not_know_the_test_notes():
    hidden = READABLE.copy()
    hidden[250:] = 1e3 * NOISE[:1, :1]
    one, other = read_off(READABLE), read_off(READABLE, test=hidden)
    assert one.l2_penalty == other.l2_penalty
    np.testing.assert_array_equal(one.labels[:50], other.labels[:50])
    assert (one.labels[50:] != other.labels[50:]).any()


def test_held_out_notes_are_whole_instruments():
    held = hold_out(LABELS, INSTRUMENTS, seed=0)
    instruments = set(INSTRUMENTS[held])
    assert len(instruments) == 4
    assert not instruments & set(INSTRUMENTS[~held])
    np.testing.assert_array_equal(held, hold_out(LABELS, INSTRUMENTS, seed=0))
    assert set(INSTRUMENTS[hold_out(LABELS, INSTRUMENTS, seed=1)]) != instruments


def test_no_class_is_held_out_wholly():
    # A class that one instrument alone has stays; the others of that instrument may go.
    labels = np.where(np.arange(300) % 15 == 0, 100 + np.arange(300), LABELS)
    for seed in range(5):
        held = hold_out(labels, INSTRUMENTS, seed)
        assert held.any()
        assert set(labels[~held]) == set(labels)
        assert (labels[held] < 100).all()


@pytest.mark.parametrize(
    ("labels", "instruments"),
    [
        (LABELS, np.full(300, "flute_acoustic_000")),  # one instrument
        (np.repeat(np.arange(20), 15), INSTRUMENTS),  # a class an instrument
        (np.arange(300) < 10, INSTRUMENTS),  # a class in one instrument alone
    ],
)
def test_where_instruments_cannot_be_held_out_notes_are(labels, instruments):
    held = hold_out(labels, instruments, seed=0)
    assert set(labels[held]) == set(labels[~held]) == set(labels)
    assert held.mean() == pytest.approx(0.2, abs=0.01)


def test_classes_of_one_note_leave_nothing_to_compare_on():
    labels = np.arange(300)
    assert not hold_out(labels, INSTRUMENTS, seed=0).any()
    assert read_off(READABLE, labels).l2_penalty == max(PENALTIES)


@pytest.mark.parametrize("only", [False, True, 60])
def test_one_class_is_the_answer(only):
    prediction = read_off(NOISE, np.full(300, only))
    assert prediction.labels.tolist() == [only] * 100
    assert prediction.l2_penalty is None


def test_a_solver_that_is_stopped_says_so(monkeypatch):
    assert read_off(READABLE).converged
    monkeypatch.setattr(linear_classifier, "_MOST_ITERATIONS", 1)
    assert not read_off(READABLE).converged
