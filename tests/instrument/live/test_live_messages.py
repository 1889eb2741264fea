import pytest

from wavenet_ae.instrument.live.messages import Credit, MessageError, Underruns, parse
from wavenet_ae.instrument.performance import (
    NoteOff,
    NoteOn,
    Pad,
    Panic,
    Pedal,
    ReleaseAll,
)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ('{"type": "on", "key": 60, "velocity": 100}', NoteOn(60, 100)),
        ('{"type": "on", "key": 60, "velocity": 0}', NoteOff(60)),
        ('{"type": "off", "key": 127}', NoteOff(127)),
        ('{"type": "pedal", "down": true}', Pedal(True)),
        ('{"type": "move", "x": 0.25, "y": 1}', Pad((0, 0, 0.75, 0.25))),
        ('{"type": "allOff"}', ReleaseAll()),
        ('{"type": "panic"}', Panic()),
        ('{"type": "credit", "chunks": 3}', Credit(3)),
        ('{"type": "underruns", "count": 2}', Underruns(2)),
    ],
)
def test_messages_mean_what_is_played(text, meaning):
    assert parse(text, 4, 128) == meaning


@pytest.mark.parametrize(("num_sounds", "weights"), [(1, (1,)), (2, (0.75, 0.25))])
def test_a_pad_may_be_a_line_or_a_point(num_sounds, weights):
    assert parse('{"type": "move", "x": 0.25, "y": 1}', num_sounds, 128) == Pad(weights)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not JSON"),
        ("[" * 4000, "is not JSON"),
        ("[]", "has none of the types on, off"),
        ('{"type": "play"}', "has none of the types"),
        ('{"type": ["on"]}', "has none of the types"),
        ('{"type": "on", "key": 60}', "on has velocity=None, which must be a whole number"),
        ('{"type": "on", "key": 64, "velocity": 1}', "key=64, which must be .* from 0 to 63"),
        ('{"type": "off", "key": 6.5}', "off has key=6.5"),
        ('{"type": "off", "key": true}', "off has key=True"),
        ('{"type": "pedal", "down": 1}', "down=1, which must be true or false"),
        ('{"type": "move", "x": 0.5}', "y=None, which must be a number from 0 to 1"),
        ('{"type": "move", "x": NaN, "y": 0}', "x=nan"),
        ('{"type": "move", "x": 0, "y": 1.01}', "y=1.01"),
        ('{"type": "credit", "chunks": 65}', "chunks=65, which must be .* from 1 to 64"),
        ('{"type": "credit", "chunks": "' + 99 * "x" + '"}', "x…, which must"),
    ],
)
def test_what_is_not_understood_is_named(text, reason):
    with pytest.raises(MessageError, match=reason):
        parse(text, 4, 64)
