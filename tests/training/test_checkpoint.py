import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import no_summaries

from wavenet_ae.system.errors import UserError
from wavenet_ae.training import checkpoint, sharding
from wavenet_ae.training.checkpoint import Checkpoints, restore
from wavenet_ae.training.loop import train_and_evaluate
from wavenet_ae.training.progress import Progress
from wavenet_ae.training.state import TrainState, make_optimizer

# What Orbax leaves of a read that failed.
pytestmark = pytest.mark.filterwarnings(
    "ignore:coroutine .* was never awaited:RuntimeWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)


@pytest.fixture(scope="module")
def empty(tiny_config):
    """A state of few arrays, of every kind that a state has."""
    params = {"kernel": jnp.ones((2, 3)), "bias": jnp.zeros(3)}
    state = TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        ema_params=params,
        model_state={"batch_stats": {"mean": jnp.zeros(3)}},
        opt_state=make_optimizer(json.loads(tiny_config)["optimizer"]).init(params),
    )
    return jax.device_put(state, sharding.replicated(sharding.data_mesh()))


@pytest.fixture(scope="module")
def two_checkpoints(empty, tmp_path_factory):
    """A workdir with the steps 2 and 4, whose weights tell them apart."""
    workdir = tmp_path_factory.mktemp("run")
    with Checkpoints(workdir, sharding.data_mesh()) as checkpoints:
        for step in (2, 4):
            marked = jax.tree.map(lambda x, step=step: x + x.dtype.type(step), empty)
            checkpoints.save(marked, Progress(step, [{"loss": 0.5}], 7), 5.0 - step)
    return workdir


def files_of(checkpoint):
    return sorted(path for path in checkpoint.rglob("*") if path.is_file())


def test_the_newest_comes_back_whole(two_checkpoints, empty):
    state, progress = restore(two_checkpoints, empty)
    assert progress == Progress(4, [], 7)  # a validation loss means that the line was written
    jax.tree.map(lambda new, old: np.testing.assert_array_equal(new, old + 4), state, empty)


def test_where_there_is_none(tmp_path, empty):
    assert restore(tmp_path, empty) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "damage",
    ["cut", *(pytest.param(damage, marks=pytest.mark.slow) for damage in ("emptied", "gone"))],
)
def test_no_truncation_goes_unnoticed(two_checkpoints, empty, tmp_path, capsys, damage):
    """Every file in turn: the newest comes back as it was saved, or the one before it does."""
    fell_back = 0
    for number, file in enumerate(files_of(two_checkpoints / "checkpoints" / "4")):
        workdir = Path(shutil.copytree(two_checkpoints, tmp_path / str(number)))
        victim = workdir / file.relative_to(two_checkpoints)
        if damage == "gone":
            victim.unlink()
        else:
            victim.write_bytes(
                victim.read_bytes()[: victim.stat().st_size // 2 * (damage == "cut")]
            )
        before = {path.relative_to(workdir / "checkpoints") for path in files_of(workdir)}
        state, progress = restore(workdir, empty)
        expected = jax.tree.map(lambda x, step=progress.step: x + x.dtype.type(step), empty)
        jax.tree.map(np.testing.assert_array_equal, state, expected)
        if progress.step == 4:
            continue
        fell_back += 1
        errors = capsys.readouterr().err
        assert f"warning: the checkpoint {workdir / 'checkpoints' / '4'} is damaged (" in errors
        assert "Traceback" not in errors
        aside = workdir / "checkpoints" / "4.damaged"
        after = {
            Path(str(path.relative_to(workdir / "checkpoints")).replace("4.damaged", "4"))
            for path in files_of(workdir)
        }
        assert aside.is_dir()
        assert after == before
        with Checkpoints(workdir, sharding.data_mesh()) as checkpoints:  # its place is free
            checkpoints.save(empty, Progress(4, []))
        assert restore(workdir, empty)[1].step == 4
    assert fell_back >= 6


def test_no_flipped_bit_of_an_array_goes_unnoticed(tmp_path):
    """Random numbers, which are stored as they are: a flip there is another number."""
    params = {"kernel": jax.random.normal(jax.random.key(0), (64, 64))}
    state = TrainState(jnp.int32(3), params, params, {}, optax.sgd(0.1).init(params))
    state = jax.device_put(state, sharding.replicated(sharding.data_mesh()))
    with Checkpoints(tmp_path / "run", sharding.data_mesh()) as checkpoints:
        checkpoints.save(state, Progress(3, []))
    (saved,) = (tmp_path / "run/checkpoints").iterdir()
    rng, found = np.random.default_rng(0), []
    largest = sorted(files_of(saved), key=lambda path: path.stat().st_size)[-2:]
    for number in range(12):
        workdir = Path(shutil.copytree(tmp_path / "run", tmp_path / str(number)))
        victim = workdir / largest[number % 2].relative_to(tmp_path / "run")
        content = bytearray(victim.read_bytes())
        content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        victim.write_bytes(content)
        with pytest.raises(UserError, match="no checkpoint of"):
            restore(workdir, state)
        found.append(victim.name)
    assert len(set(found)) == 2


def test_a_process_that_was_paused_while_it_saved_goes_on(empty, tmp_path, monkeypatch):
    """As by `kill -STOP`: the time in which several processes must have saved is over."""
    monkeypatch.setattr(checkpoint, "_SAVE_TIMEOUT_S", 0)
    with Checkpoints(tmp_path, sharding.data_mesh()) as checkpoints:
        checkpoints.save(empty, Progress(2, []))
    assert restore(tmp_path, empty)[1].step == 2


def test_damaged_metrics_of_an_older_one_are_no_hindrance(two_checkpoints, empty, tmp_path):
    workdir = Path(shutil.copytree(two_checkpoints, tmp_path / "copy"))
    (workdir / "checkpoints" / "2" / "metrics" / "metrics").write_text("{")
    assert restore(workdir, empty)[1].step == 4
    with Checkpoints(workdir, sharding.data_mesh()) as checkpoints:
        assert checkpoints.best_loss() == 1.0


def test_a_second_damaged_one_of_the_same_step_has_a_place(two_checkpoints, empty, tmp_path):
    workdir = Path(shutil.copytree(two_checkpoints, tmp_path / "copy"))
    for name in ("4.damaged", "4.damaged1"):
        (workdir / "checkpoints" / "4" / "_CHECKPOINT_METADATA").write_text("")
        assert restore(workdir, empty)[1].step == 2
        assert (workdir / "checkpoints" / name).is_dir()
        shutil.copytree(two_checkpoints / "checkpoints" / "4", workdir / "checkpoints" / "4")


def test_where_none_is_whole_nothing_moves_and_nothing_begins_anew(
    two_checkpoints, tiny_config, tmp_path
):
    workdir = Path(shutil.copytree(two_checkpoints, tmp_path / "copy"))
    for step in ("2", "4"):
        (workdir / "checkpoints" / step / "_CHECKPOINT_METADATA").write_text("")
    before = files_of(workdir / "checkpoints")
    with pytest.raises(UserError, match=r"no checkpoint of .*copy is complete: restore one"):
        train_and_evaluate(json.loads(tiny_config), workdir, no_summaries)
    assert files_of(workdir / "checkpoints") == before


def test_weights_alone_are_nothing_to_go_on_from(two_checkpoints, empty, tmp_path):
    workdir = Path(shutil.copytree(two_checkpoints, tmp_path / "copy"))
    for step in ("2", "4"):
        shutil.rmtree(workdir / "checkpoints" / step / "training")
    with pytest.raises(UserError, match=r"only imported weights.*--config\.init_from="):
        restore(workdir, empty)


@pytest.mark.parametrize(
    "damage",
    ["cut", *(pytest.param(damage, marks=pytest.mark.slow) for damage in ("emptied", "gone"))],
)
def test_damaged_weights_are_one_sentence(two_checkpoints, empty, tmp_path, capfd, caplog, damage):
    """Every file in turn: the weights are as they were saved, or the checkpoint is named."""
    refused = 0
    for number, file in enumerate(files_of(two_checkpoints / "checkpoints" / "4")):
        workdir = Path(shutil.copytree(two_checkpoints, tmp_path / str(number)))
        victim = workdir / file.relative_to(two_checkpoints)
        content = victim.read_bytes()
        victim.unlink()
        if damage != "gone":
            victim.write_bytes(content[: len(content) // 2 * (damage == "cut")])
        shapes = jax.eval_shape(lambda: (empty.ema_params, empty.model_state))
        try:
            params, _, step = checkpoint.load_weights(workdir, *shapes)
        except UserError as error:
            refused += f"the checkpoint {workdir / 'checkpoints' / '4'} is damaged" in str(error)
        else:
            assert step == 4
            jax.tree.map(lambda x, y: np.testing.assert_array_equal(x, y + 4), params, empty.params)
    assert refused >= 3
    assert caplog.text == ""
    assert capfd.readouterr().err == ""


def test_weights_whose_path_cannot_be_read_are_not_called_damaged(two_checkpoints, tmp_path):
    for name in ("piano[1]", "a*b"):  # where a run was moved to
        shutil.copytree(two_checkpoints, tmp_path / name)
        assert checkpoint.has_checkpoint(tmp_path / name)
        checkpoint.check_path(tmp_path / name, writing=False)
    with pytest.raises(UserError, match=r"in its path, with which checkpoints cannot be read"):
        checkpoint.load_weights(tmp_path / "back\\slash", {}, {}, 4)


def test_a_checkpoint_that_the_first_process_sees_must_show_in_all(
    two_checkpoints, empty, monkeypatch
):
    monkeypatch.setattr(checkpoint.processes, "_VISIBLE_TIMEOUT_S", 0.1)
    monkeypatch.setattr(checkpoint.processes, "gather_texts", lambda text: ["[2, 4, 6]", text])
    with pytest.raises(UserError, match=r"checkpoints/6 is not visible in this process: all need"):
        restore(two_checkpoints, empty)
