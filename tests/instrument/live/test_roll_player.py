"""A model of notes as an instrument to play."""

import functools
from pathlib import Path

import jax
import numpy as np
import pytest
from midi_config import CONFIG

from wavenet_ae import tasks
from wavenet_ae.data import piano_roll
from wavenet_ae.instrument.live.roll_player import Keyboard, RollPlayer
from wavenet_ae.instrument.performance import NoteOff, NoteOn, Pad, Panic, Pedal, ReleaseAll
from wavenet_ae.instrument.voices import HEADROOM
from wavenet_ae.synthesis import sampler
from wavenet_ae.synthesis.perform_files import Player
from wavenet_ae.training.trained import TrainedModel

DATASET = CONFIG["dataset"]
HOP = 64
CHUNK = 8 * HOP


@functools.cache
def player(roll="held"):
    config = CONFIG | {
        "model": CONFIG["model"] | {"output": "mu_law"},
        "dataset": DATASET | {"roll": roll},
    }
    task = tasks.create(config)
    params = jax.tree.map(lambda x: 2 * x, task.init(jax.random.key(0))[0])
    return Player(TrainedModel(Path(), "run", config, task, params, {}, 1, "f"))


def play(live, num_chunks, events):
    """Returns the audio; events are lists by chunk."""
    heard = []
    for chunk in range(num_chunks):
        for event in events.get(chunk, []):
            live.send(event)
        heard.append(live.next_chunk())
    return np.stack([chunk.audio for chunk in heard]), heard


def expected(notes, num_chunks, number=0, **dataset):
    """Returns what the whole roll gives, by chunk; notes as `piano_roll.draw` has them."""
    some = player(**dataset)
    margin = some.model.roll_margin
    num_frames = num_chunks * 8 + 2 * margin
    roll = piano_roll.draw(np.array(notes), -margin * HOP, num_frames, some.roll)
    embedding = some.embed(piano_roll.to_velocities(roll)[None])
    keys = sampler.note_keys(3, np.array([number]))
    made = sampler.generate(some.model, some.trained.params, embedding, keys)
    made = np.concatenate([*made], axis=1).reshape(num_chunks, CHUNK)
    assert np.abs(made).max() > 0.01
    return HEADROOM * made


@pytest.mark.parametrize("roll", ["held", "onsets"])
def test_a_held_chord_is_what_the_whole_roll_gives(roll):
    live = RollPlayer(player(roll=roll), seed=3)
    audio, heard = play(live, 6, {2: [NoteOn(64, 7, 130), NoteOn(60, 100)]})
    assert not audio[:2].any()
    notes = [[0, 2**30, 60, 100], [130, 2**30, 64, 7]]
    np.testing.assert_allclose(audio[2:], expected(notes, 4, roll=roll), atol=1e-3)
    assert [(v.key, v.has_key) for v in heard[3].voices] == [(60, True), (64, True)]
    assert heard[3].voices[0].level == pytest.approx(np.sqrt(np.mean(audio[3] ** 2)) / HEADROOM)


def roll_of(events):
    keyboard = Keyboard()
    for place, event in events:
        keyboard.take(event, place)
    rows = [(n.start, n.end, n.key, n.velocity) for n in keyboard.since(-1)]
    return piano_roll.draw(np.array(rows, np.int64).reshape(-1, 4), 0, 40, "held") * 127


@pytest.mark.parametrize(
    ("events", "notes"),
    [
        ([(64, NoteOn(60, 100)), (640, NoteOff(60))], [(64, 640, 60, 100)]),
        ([(64, NoteOn(60, 100))], [(64, 10**9, 60, 100)]),
        # Down at once and up: a frame of sound is left.
        ([(64, NoteOn(60, 100)), (64, NoteOff(60))], [(64, 65, 60, 100)]),
        # Struck again while it sounds.
        (
            [(64, NoteOn(60, 100)), (640, NoteOn(60, 50)), (1280, NoteOff(60))],
            [(64, 640, 60, 100), (640, 1280, 60, 50)],
        ),
        # The pedal holds what is let go, also what is struck again, until it is lifted.
        (
            [
                (0, Pedal(is_down=True)),
                (64, NoteOn(60, 100)),
                (128, NoteOff(60)),
                (640, NoteOn(60, 50)),
                (700, NoteOff(60)),
                (800, NoteOn(62, 30)),
                (1280, Pedal(is_down=False)),
                (1920, NoteOff(62)),
            ],
            [(64, 640, 60, 100), (640, 1280, 60, 50), (800, 1920, 62, 30)],
        ),
        (
            [(0, Pedal(is_down=True)), (64, NoteOn(60, 100)), (640, ReleaseAll())],
            [(64, 640, 60, 100)],
        ),
        ([(0, NoteOn(20, 100)), (0, NoteOn(109, 100)), (0, NoteOff(50)), (0, Pad([1.0]))], []),
    ],
)
def test_keys_and_pedal_make_the_roll_of_their_notes(events, notes):
    expected = piano_roll.draw(np.array(notes, np.int64).reshape(-1, 4), 0, 40, "held") * 127
    np.testing.assert_array_equal(roll_of(events), expected)


def test_two_seconds_after_the_last_note_nothing_is_generated(monkeypatch):
    live = RollPlayer(player(), seed=3)
    calls, generate = [], sampler.generate_samples

    def counted(*args):
        calls.append(1)
        return generate(*args)

    monkeypatch.setattr(sampler, "generate_samples", counted)
    end = 1 + -(-32_000 // CHUNK)
    events = {0: [NoteOn(60, 100)], 1: [NoteOff(60)], end + 3: [NoteOn(60, 100)]}
    audio, heard = play(live, end + 5, events)
    monkeypatch.undo()
    assert len(calls) == end + 2
    assert np.all(np.abs(audio[:end]).max(axis=1) > 0)
    assert audio[end - 1, -1] == 0  # it is faded out
    assert not audio[end : end + 3].any()
    # What rings on is shown, with its key up.
    keys = [[(voice.key, voice.has_key) for voice in chunk.voices] for chunk in heard]
    assert keys[0] == [(60, True)]
    assert keys[1:end] == [[(60, False)]] * (end - 1)
    assert keys[end : end + 3] == [[]] * 3
    # It begins from silence again, and is drawn anew.
    again = expected([[0, 2**30, 60, 100]], 2, number=1)
    np.testing.assert_allclose(audio[end + 3 :], again, atol=1e-3)


def test_panic_is_silence_at_once_and_the_next_note_begins_anew():
    held = {0: [Pedal(is_down=True), NoteOn(60, 100)], 3: [Panic()], 5: [NoteOn(72, 100)]}
    audio, heard = play(RollPlayer(player(), seed=3), 7, held | {6: [NoteOff(72)]})
    assert audio[:3].any(axis=1).all()
    goes_on = expected([[0, 2**30, 60, 100]], 4)[3]
    fade = np.linspace(1, 0, 80)
    np.testing.assert_allclose(audio[3, :80], goes_on[:80] * fade, atol=1e-3)
    assert not audio[3, 80:].any()
    assert not audio[4].any()
    np.testing.assert_allclose(audio[5:6], expected([[0, 2**30, 72, 100]], 1, 1), atol=1e-3)
    # The pedal is up, too.
    assert [(voice.key, voice.has_key) for voice in heard[6].voices] == [(72, False)]


def test_notes_of_long_ago_are_forgotten():
    live = RollPlayer(player())
    trill = {chunk: [NoteOn(60, 100), NoteOff(60, 200), NoteOn(62, 9, 300)] for chunk in range(80)}
    play(live, 80, trill)
    margin_chunks = -(-player().model.roll_margin // 8)
    assert len(live._keyboard.since(0)) <= 2 * (margin_chunks + 2)


def test_events_of_a_chunk_are_played_in_the_order_of_their_places():
    one, other = (
        play(RollPlayer(player()), 2, {0: events})[0]
        for events in (
            [NoteOff(60, 5), NoteOn(60, 100, 100)],
            [NoteOn(60, 100, 100), NoteOff(60, 5)],
        )
    )
    np.testing.assert_array_equal(one, other)


def test_the_same_again_is_the_same():
    events = {0: [NoteOn(60, 100, 5)], 2: [NoteOn(67, 100)], 4: [NoteOff(60)], 6: [Pad([1.0])]}
    first, again, other = (
        play(RollPlayer(player(), seed=seed), 8, events)[0] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
