"""What a page says while it plays: JSON objects `{"type": ..., ...}`, a message each.

`on {key, velocity}`, `off {key}`, `pedal {down}`, `move {x, y}` (0 to 1, from the upper left
corner), `allOff {}` and `panic {}` are played; `credit {chunks}` asks for so many chunks more, and
`underruns {count}` says how often the sound was interrupted.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from wavenet_ae.instrument import performance
from wavenet_ae.instrument.performance import (
    Event,
    NoteOff,
    NoteOn,
    Pad,
    Panic,
    Pedal,
    ReleaseAll,
)

MOST_CHUNKS = 64  # that a page may wait for: two seconds
_LOUDEST = 127
_MOST_COUNTED = 2**31
_SHOWN = 40  # characters of what is not understood


class MessageError(ValueError):
    """A message that is not understood; it says why."""


class Credit(NamedTuple):
    """The page has room for so many chunks more."""

    chunks: int


class Underruns(NamedTuple):
    """So often the page had no sound left to play."""

    count: int


def parse(text: str, num_sounds: int, num_keys: int) -> Event | Credit | Underruns:
    """Reads a message.

    Args:
        text: of the message.
        num_sounds: on the pad: 1, 2 or 4.
        num_keys: MIDI keys that can be played, from 0.

    Raises:
        MessageError: it is not one of those above.
    """
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise MessageError(f"{_shown(text)} is not JSON") from None
    kind = message.get("type") if isinstance(message, dict) else None
    if not isinstance(kind, str) or kind not in _READ:
        raise MessageError(f"{_shown(text)} has none of the types {', '.join(_READ)}")
    return _READ[kind](message, num_sounds, num_keys)


def _on(message: Mapping[str, Any], _: int, num_keys: int) -> Event:
    key = _whole(message, "key", 0, num_keys - 1)
    velocity = _whole(message, "velocity", 0, _LOUDEST)
    return NoteOn(key, velocity) if velocity else NoteOff(key)


def _off(message: Mapping[str, Any], _: int, num_keys: int) -> Event:
    return NoteOff(_whole(message, "key", 0, num_keys - 1))


def _pedal(message: Mapping[str, Any], *_: int) -> Event:
    is_down = message.get("down")
    if not isinstance(is_down, bool):
        raise MessageError(f"pedal has down={_shown(is_down)}, which must be true or false")
    return Pedal(is_down)


def _move(message: Mapping[str, Any], num_sounds: int, _: int) -> Event:
    x, y = (_share(message, name) for name in ("x", "y"))
    return Pad(performance.pad_weights(x, y, num_sounds))


def _credit(message: Mapping[str, Any], *_: int) -> Credit:
    return Credit(_whole(message, "chunks", 1, MOST_CHUNKS))


def _underruns(message: Mapping[str, Any], *_: int) -> Underruns:
    return Underruns(_whole(message, "count", 0, _MOST_COUNTED))


_READ: dict[str, Callable[[Mapping[str, Any], int, int], Event | Credit | Underruns]] = {
    "on": _on,
    "off": _off,
    "pedal": _pedal,
    "move": _move,
    "allOff": lambda *_: ReleaseAll(),
    "panic": lambda *_: Panic(),
    "credit": _credit,
    "underruns": _underruns,
}


def _whole(message: Mapping[str, Any], name: str, least: int, most: int) -> int:
    value = message.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise MessageError(
            f"{message['type']} has {name}={_shown(value)}, which must be a whole number from "
            f"{least} to {most}"
        )
    return value


def _share(message: Mapping[str, Any], name: str) -> float:
    value = message.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise MessageError(
            f"{message['type']} has {name}={_shown(value)}, which must be a number from 0 to 1"
        )
    return float(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
