import numpy as np
import pytest
from live_sounds import HOP, sounds

from wavenet_ae.instrument.performance import (
    NoteOff,
    NoteOn,
    Pad,
    Panic,
    Pedal,
    Performance,
    ReleaseAll,
    Sound,
    bilinear,
)
from wavenet_ae.synthesis.embeddings import EncodedSound

RELEASE_CHUNKS = 10  # of `sounds`


def play(played, chunks, events=()):
    """Returns the parts of each chunk; the events come in the first."""
    return [played.step(events if chunk == 0 else ()) for chunk in range(chunks)]


def frames_of(chunks):
    return [int(part.embedding[1]) for parts in chunks for part in parts]


def test_a_note_lasts_as_long_as_its_key_and_ends_with_the_sounds_release():
    played = Performance(sounds(1), 1, HOP)
    chunks = play(played, 300, [NoteOn(60, 127)])
    frames = frames_of(chunks)
    assert frames[:30] == list(range(30))
    # Back and forth before the release, one frame at a time.
    assert set(frames[30:]) == set(range(30))
    assert set(np.abs(np.diff(frames))) == {1}
    released = play(played, 40, [NoteOff(60, at=17)])
    assert frames_of(released) == [*range(30, 40), 39][: len(frames_of(released))]
    assert played.is_silent
    envelope = np.concatenate([part.envelope for parts in released for part in parts])
    assert (envelope[:18] == 1).all()
    assert (np.diff(envelope[17:]) <= 0).all()
    assert np.flatnonzero(envelope)[-1] in range(RELEASE_CHUNKS * HOP, 18 + RELEASE_CHUNKS * HOP)
    assert envelope[-1] == 0


def test_the_loop_is_a_second_at_most():
    long = Sound("long", {60: np.zeros((400, 3), np.float32)}, 350)
    visited = {long.index(60, frame, None, most_looped=125) for frame in range(350, 3000)}
    assert visited == set(range(350 - 1 - 125, 350))
    assert Sound("short", {60: np.zeros((2, 3))}, 1).index(60, 9, None, 125) == 0


def test_a_key_gets_the_nearest_take():
    takes = {48: np.zeros((9, 3)), 60: np.ones((9, 3))}
    sound = Sound("two", takes, 5)
    assert [int(sound.take(key)[0, 0]) for key in (0, 53, 54, 100)] == [0, 0, 1, 1]


@pytest.mark.parametrize(("frames", "release"), [(125, 93), (40, 30), (1, 1)])
def test_a_sounds_release_starts_where_nsynths_keys_are_lifted(frames, release):
    encoded = EncodedSound(np.zeros((frames, 16), np.float32), 512, frames * 512, "a", "f", 60)
    assert Sound.of("a", [encoded]).release == release


def test_held_notes_follow_the_pad():
    played = Performance(sounds(4), 2, HOP)
    (first,) = played.step([NoteOn(60, 100)])
    assert first.embedding[0] == 0
    (second,) = played.step([Pad(np.multiply(3, bilinear(0.25, 0.5)))])
    weights = [0.375, 0.125, 0.375, 0.125]
    assert second.embedding[0] == pytest.approx(np.dot(weights, range(4)))
    assert second.embedding[2] == pytest.approx(1)
    (third,) = played.step([Pad((0, 0, 0, 0))])  # means nothing
    assert third.embedding[0] == second.embedding[0]


def test_the_oldest_voice_is_taken_and_fades_out_before():
    played = Performance(sounds(1), 2, HOP)
    played.step([NoteOn(60, 127), NoteOn(64, 127, at=5)])
    parts = played.step([NoteOn(67, 127, at=100)])
    assert [part.note.key for part in parts] == [60, 64]
    assert parts[0].envelope[-1] == 0
    assert np.abs(np.diff(parts[0].envelope)).max() < 1 / 70
    assert parts[1].envelope.min() == 1
    parts = played.step([])
    assert [(p.note.key, p.note.slot, p.is_first, p.offset) for p in parts] == [
        (64, 1, False, 5),
        (67, 0, True, 0),
    ]


def test_more_notes_at_once_than_voices_leave_the_last():
    played = Performance(sounds(1), 1, HOP)
    play(played, 1, [NoteOn(key, 127) for key in (60, 62, 64)])
    assert [part.note.key for part in played.step([])] == [64]
    assert [part.note.key for part in played.step([])] == [64]


def test_a_key_that_is_struck_again_lets_its_first_note_go():
    played = Performance(sounds(1), 4, HOP)
    played.step([NoteOn(60, 127)])
    played.step([NoteOn(60, 127)])
    chunks = play(played, 20)
    assert len(chunks[0]) == 2
    assert [part.note.number for part in chunks[-1]] == [1]


def test_the_pedal_holds_notes():
    played = Performance(sounds(1), 4, HOP)
    play(played, 20, [Pedal(True), NoteOn(60, 127), NoteOff(60, at=9)])
    [part] = played.step([NoteOn(64, 127)])[:1]
    assert (part.envelope.min(), part.note.has_key) == (1, False)
    chunks = play(played, 20, [Pedal(False)])
    assert [part.note.key for part in chunks[-1]] == [64]


def test_all_keys_are_lifted_and_panic_is_silent_at_once():
    played = Performance(sounds(1), 4, HOP)
    played.step([Pedal(True), NoteOn(60, 127), NoteOn(64, 127)])
    played.step([ReleaseAll()])
    assert all(part.envelope[-1] < 1 for part in played.step([]))
    played.step([NoteOn(65, 127)])
    assert all(part.envelope[-1] == 0 for part in played.step([Panic(at=127)]))
    assert played.is_silent
    assert played.step([]) == []


def test_velocity_is_squared_as_samplers_do():
    played = Performance(sounds(1), 2, HOP)
    parts = played.step([NoteOn(60, 127), NoteOn(62, 64)])
    assert parts[1].envelope[0] / parts[0].envelope[0] == pytest.approx((64 / 127) ** 2)
