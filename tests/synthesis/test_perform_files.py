"""What `perform_files` plays, beside the model over the whole piece."""

from pathlib import Path

import jax
import numpy as np
import pytest

from wavenet_ae import tasks
from wavenet_ae.audio import midi
from wavenet_ae.audio.midi import Note
from wavenet_ae.synthesis import perform_files, sampler
from wavenet_ae.synthesis.perform_files import Player
from wavenet_ae.system.errors import UserError
from wavenet_ae.training.trained import TrainedModel

CONFIG = {
    "task": "midi",
    "model": {
        "decoder_channels": 6,
        "skip_channels": 5,
        "decoder_layers": 4,
        "dilation_cycle": 3,
        "context_channels": 4,
        "context_layers": 4,
        "context_dilation_cycle": 3,
    },
    "crop_samples": 64,
    "dataset": {"name": "performances/some", "roll": "held"},
}
NOTES = [Note(0.0, 0.1, 60, 100), Note(0.05, 0.3, 64, 10), Note(0.2, 0.25, 21, 127)]


def player(temperature=1.0, **dataset):
    config = CONFIG | {"dataset": CONFIG["dataset"] | dataset}
    task = tasks.create(config)
    params = jax.tree.map(lambda x: 2 * x, task.init(jax.random.key(0))[0])
    return Player(TrainedModel(Path(), "run", config, task, params, {}, 1, "f"), temperature)


@pytest.fixture(scope="module")
def piece(tmp_path_factory):
    path = tmp_path_factory.mktemp("piece") / "piece.mid"
    midi.save(path, NOTES, 0)
    return path


def test_a_roll_is_read_with_time_to_ring(piece):
    sound = player().read(piece)
    assert (sound.num_samples, sound.source) == (4_800 + 32_000, "piece.mid")
    assert (sound.embedding.dtype, sound.embedding.shape) == (np.uint8, (575, 88))
    held = np.flatnonzero(sound.embedding[:, 60 - 21])
    np.testing.assert_array_equal(held, np.arange(25))  # 0.1 s at 250 Hz
    assert {*np.unique(sound.embedding)} == {0, 10, 100, 127}
    struck = player(roll="onsets").read(piece).embedding
    assert np.count_nonzero(struck) == 3


def test_a_configuration_without_a_kind_of_roll_is_refused(piece):
    with pytest.raises(UserError, match=r"lacks dataset.roll, which is held or onsets: restore"):
        player(roll=None).read(piece)


@pytest.mark.parametrize("window", [8, 24, 1024])
def test_windows_give_what_the_whole_roll_gives(monkeypatch, piece, window):
    monkeypatch.setattr(perform_files, "_WINDOW_FRAMES", window)
    some = player()
    roll = some.read(piece).embedding[:60]
    rolls = np.stack([roll, roll[::-1]])
    keys = sampler.note_keys(0, np.arange(2))
    streamed = np.concatenate(list(some.generate(rolls, keys)), axis=1)
    assert streamed.shape == (2, 60 * 64)

    margin = some.model.roll_margin
    padded = np.pad(rolls, ((0, 0), (margin, margin), (0, 0))).astype(np.float32) / 127
    params = some.trained.params
    embedding = some.model.apply({"params": params}, padded, method="embed")
    expected = sampler.generate(some.model, params, np.asarray(embedding), keys)
    same = streamed == np.concatenate(list(expected), axis=1)
    # Rounding can put a draw on the other side of a class's edge, after which sounds differ.
    assert same[:, : 16 * 64].mean() > 0.99


def test_memory_holds_one_window_at_a_time(monkeypatch, piece):
    monkeypatch.setattr(perform_files, "_WINDOW_FRAMES", 16)
    some, sizes = player(), []
    embed = some.embed
    object.__setattr__(some, "embed", lambda roll: sizes.append(roll.shape) or embed(roll))
    roll = some.read(piece).embedding[None, :64]
    list(some.generate(roll, sampler.note_keys(0, np.arange(1))))
    assert sizes == [(1, 16 + 2 * some.model.roll_margin, 88)] * 4
