"""Counts the frames of an MP3; libmpg123 only estimates its length from the first one."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from wavenet_ae.audio.damage import DamageError

_OF_MPEG_2 = (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256)
_LOW = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
# kbit/s, by layer: in MPEG-1, and in MPEG-2 and 2.5
_BIT_RATES = {
    1: (range(32, 449, 32), _OF_MPEG_2),
    2: ((32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384), _LOW),
    3: ((32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320), _LOW),
}
TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"3DI", b"ID3")  # what may follow the last frame


class _Frame(NamedTuple):
    """The content of a frame's header of 4 bytes."""

    size: int  # bytes
    bit_rate: int  # kbit/s
    layer: int
    low: bool  # MPEG-2 or 2.5, of half the sample rates or a quarter
    rate_hz: int


def begins(content: bytes) -> bool:
    """Returns whether a file begins with a frame."""
    # The bits of the layer are 0 in AAC (ADTS), which begins similarly.
    return content[:1] == b"\xff" and content[1:2] >= b"\xe0" and content[1] & 6 != 0


def with_length(content: bytes) -> bytes:
    """Returns an MP3 with its number of frames in a header.

    Args:
        content: MPEG audio from its first frame on.

    Raises:
        DamageError: it is incomplete or damaged, or its length is unknown.
    """
    frames = list(_frames(content))
    first, count = frames[0], len(frames)
    content = content[: sum(frame.size for frame in frames)]
    if first.layer != 3:
        if len({frame.bit_rate for frame in frames}) > 1:
            raise DamageError("has a variable bit rate, and no header with its length")
        return content
    # Xing's header is in place of the first frame's samples, after its side information.
    is_mono = content[3] >> 6 == 3
    place = 4 + ((17, 9) if is_mono else (32, 17))[first.low]
    if content[place : place + 4] in (b"Xing", b"Info") and not any(content[4:place]):
        fields, given, size = struct.unpack_from(
            ">III", content.ljust(place + 16, b"\0"), place + 4
        )
        # The number is without the header's own frame; some programs include it.
        if fields & 1 and (
            given > count or (given == count and fields & 2 and size > len(content))
        ):
            raise DamageError(
                f"breaks off: its header promises {given:,} frames, and {count - 1:,} follow"
            )
        if fields & 1:
            counted = struct.pack(">II", count - 1, len(content))[: 8 if fields & 2 else 4]
            return content[: place + 8] + counted + content[place + 8 + len(counted) :]
        content, count = content[first.size :], count - 1
    return _xing_frame(content, place, count, first.low) + content


def _frames(content: bytes) -> Iterator[_Frame]:
    """Yields the frames, without a gap between them."""
    position, kind = 0, None
    while frame := _frame(content[position : position + 4]):
        if kind not in (None, frame[2:]):
            break
        if position + frame.size > len(content):
            raise DamageError("breaks off within its last frame")
        yield frame
        position, kind = position + frame.size, frame[2:]
    if not kind:
        raise DamageError("has no frames of MPEG audio that can be counted")
    rest = content[position:].strip(b"\0")
    if rest and not rest.startswith(TAGS):
        raise DamageError(f"is damaged at byte {position:,}, where no frame of MPEG audio begins")


def _frame(header: bytes) -> _Frame | None:
    """Reads a header; None if it is not one, or does not give the bit rate."""
    if len(header) < 4 or not begins(header):
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bit_rate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or bit_rate in (0, 15) or rate == 3:
        return None
    low = version != 3
    kbit_s = _BIT_RATES[layer][low][bit_rate - 1]
    rate_hz = (44_100, 48_000, 32_000)[rate] >> {3: 0, 2: 1, 0: 2}[version]
    if layer == 1:
        size = 4 * (12_000 * kbit_s // rate_hz + padding)
    else:
        samples = 576 if layer == 3 and low else 1152
        size = 125 * samples * kbit_s // rate_hz + padding
    return _Frame(size, kbit_s, layer, low, rate_hz)


def _xing_frame(content: bytes, place: int, count: int, low: bool) -> bytes:
    """Returns a silent first frame that gives the number of the others."""
    index = 8 if low else 5  # of 64 kbit/s: long enough for the header
    head = bytes(
        [content[0], content[1] | 1, index << 4 | content[2] & 0b1100, content[3] & 0b1100_1111]
    )
    return (head.ljust(place, b"\0") + b"Xing" + struct.pack(">II", 1, count)).ljust(
        _frame(head).size, b"\0"
    )
