import pytest

from wavenet_ae.system.errors import UserError
from wavenet_ae.training.progress import Due, Progress, due_after

CONFIG = {
    "num_steps": 12,
    "log_every_steps": 2,
    "eval_every_steps": 6,
    "checkpoint_every_steps": 5,
    "summarize_every_steps": 0,
}


@pytest.mark.parametrize(
    ("step", "changes", "due"),
    [
        (1, {}, Due(log=False, evaluate=False, save=False, summarize=False)),
        (2, {}, Due(log=True, evaluate=False, save=False, summarize=False)),
        (5, {}, Due(log=False, evaluate=False, save=True, summarize=False)),
        (6, {}, Due(log=True, evaluate=True, save=False, summarize=False)),
        # An evaluation has a line, whatever is logged.
        (3, {"eval_every_steps": 3}, Due(log=True, evaluate=True, save=False, summarize=False)),
        (4, {"summarize_every_steps": 4}, Due(True, False, False, True)),
        (12, {}, Due(log=True, evaluate=True, save=True, summarize=False)),
        (12, {"summarize_every_steps": 100}, Due(True, True, True, True)),
    ],
)
def test_what_is_due(step, changes, due):
    assert due_after(step, {**CONFIG, **changes}) == due


def advanced(*losses, **fields):
    progress = Progress(**fields)
    for loss in losses:
        progress.advance({"loss": loss})
    return progress


def test_a_line_is_the_mean_of_its_steps_and_leaves_the_later_ones():
    progress = advanced(1.0, 2.0, 6.0, step=10)
    assert progress.step == 13
    assert progress.take_line(12, 0) == {"train/loss": 1.5}
    assert progress.pending == [{"loss": 6.0}]
    progress.advance({"loss": 8.0})
    assert progress.take_line(14, 0) == {"train/loss": 7.0}
    assert progress.pending == []


def test_skipped_steps_are_counted_once():
    progress = advanced(1.0, skipped=2)
    progress.advance({"loss": float("nan"), "skipped": 1})
    progress.fetch(5)
    progress.fetch(5)
    assert (progress.skipped, progress.pending) == (3, [{"loss": 1.0}, {}])
    progress.advance({"loss": 3.0, "skipped": 0})
    assert progress.take_line(3, 5) == {"train/loss": 2.0, "train/skipped": 3}
    progress.advance({"loss": 1.0, "skipped": 1})
    with pytest.raises(UserError, match=r"4 steps up to step 4 .*max_skipped_steps=3"):
        progress.take_line(4, 3)


def test_the_step_whose_loss_broke_is_named():
    progress = advanced(1.0, 2.0, float("inf"), 3.0, step=20)
    assert progress.take_line(22, 0) == {"train/loss": 1.5}
    with pytest.raises(UserError, match="the loss is inf at step 23"):
        progress.fetch(0)


def test_a_checkpoint_keeps_all_but_the_line_that_waits():
    progress = advanced(1.0, step=3, skipped=1, owes_evaluation=True, owed_line=4)
    assert Progress(**progress.metadata()) == Progress(4, [{"loss": 1.0}], 1, True)
