"""Checks that a sound file is complete: what its header promises against its content.

libsndfile silently reads most truncated files as shorter sounds.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from wavenet_ae.audio import mpeg
from wavenet_ae.audio.damage import DamageError


def checked(content: bytes) -> bytes:
    """Checks that a sound file is complete.

    Args:
        content: of the file. Formats other than WAV, RF64, W64, AIFF, CAF, AU, Ogg and MP3 are
            not checked.

    Returns:
        What libsndfile should read: the same, with its length if it lacks one, and without ID3
        tags at the front.

    Raises:
        DamageError: it is incomplete or damaged.
    """
    while content.startswith(b"ID3") and len(content) > 10:
        size = sum((byte & 127) << 7 * (3 - place) for place, byte in enumerate(content[6:10]))
        content = content[10 + size + (content[5] & 0x10 and 10) :].lstrip(b"\0")
    if content.startswith(b"OggS"):
        check_ogg(content)
    elif mpeg.begins(content):
        return mpeg.with_length(content)
    elif content[:4] in (b".snd", b"dns.") and len(content) >= 12:
        order = ">" if content.startswith(b".snd") else "<"
        start, size = struct.unpack_from(f"{order}II", content, 4)
        _check_size(size, len(content) - start)
        if content[start + size :].strip(b"\0"):
            raise DamageError(_WRONG_LENGTH)
    for layout in _LAYOUTS:
        if content.startswith(layout.magic) and content.startswith(layout.kind, 8):
            return _check_chunks(content, layout)
    return content


_WRONG_LENGTH = "is damaged: its header gives fewer samples than there are"


class _Layout(NamedTuple):
    """How a container divides a file into chunks."""

    magic: bytes  # of the file
    kind: bytes  # at byte 8
    first: int  # where the first chunk begins
    header: struct.Struct  # a chunk's name and size
    counts_header: bool  # the size is that of the header, too
    alignment: int
    samples: bytes  # the name of the chunk that holds them


_LAYOUTS = (
    _Layout(b"RIFF", b"WAVE", 12, struct.Struct("<4sI"), False, 2, b"data"),
    _Layout(b"RIFX", b"WAVE", 12, struct.Struct(">4sI"), False, 2, b"data"),
    _Layout(b"RF64", b"WAVE", 12, struct.Struct("<4sI"), False, 2, b"data"),
    _Layout(b"FORM", b"AIF", 12, struct.Struct(">4sI"), False, 2, b"SSND"),
    _Layout(b"caff", b"", 8, struct.Struct(">4sq"), False, 1, b"data"),
    # W64, whose names are GUIDs
    _Layout(
        b"riff\x2e\x91\xcf\x11",
        b"\xa5\xd6\x28\xdb\x04\xc1\x00\x00",
        40,
        struct.Struct("<16sq"),
        True,
        8,
        b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a",
    ),
)


def _check_chunks(content: bytes, layout: _Layout) -> bytes:
    size_in_ds64, codec = 0, b""
    for name, size, start in _chunks(content, layout):
        there = len(content) - start
        if name == b"ds64" and there >= 16:  # of RF64, where other size fields are too small
            (size_in_ds64,) = struct.unpack_from("<Q", content, start + 8)
        if name == b"fmt ":
            codec = content[start : start + 2]
        if name != layout.samples:
            continue
        if layout.magic == b"RF64" and size == 0xFFFF_FFFF:
            size = size_in_ds64
        _check_size(size, there)
        if size >= 0 and _are_no_samples(content[start + size :], layout):
            if name == b"SSND" and any(content[start : start + 4]):  # how many to leave out
                raise DamageError(_WRONG_LENGTH)
            if codec == b"\x55\0":  # an MP3 within
                return mpeg.with_length(content[start : start + size])
            break
        if size > 0 or layout.samples != b"data":  # of AIFF and W64
            raise DamageError(_WRONG_LENGTH)
        # An unfinished recording: take all that is there.
        header = layout.header.pack(name, min(there, 0xFFFF_FFFF))
        return content[: start - len(header)] + header + content[start:]
    return content


def _chunks(content: bytes, layout: _Layout) -> Iterator[tuple[bytes, int, int]]:
    """Yields the chunks' names and sizes, and where what they hold begins."""
    position, header = layout.first, layout.header.size
    while position + header <= len(content):
        name, size = layout.header.unpack_from(content, position)
        size -= header if layout.counts_header else 0
        yield name, size, position + header
        position += header + size + -size % layout.alignment
        if size < 0:
            return


def _are_no_samples(rest: bytes, layout: _Layout) -> bool:
    """Returns whether what follows the samples is nothing, zeros, tags or chunks.

    More samples follow if the header is unfinished, or the size does not fit in 32 bits.
    """
    for padding in range(layout.alignment):  # some programs leave it out
        if padding + layout.header.size <= len(rest):
            name, size = layout.header.unpack_from(rest, padding)
            if all(32 <= byte < 127 for byte in name[:4]) and 0 <= size <= len(rest):
                return True
    return not rest.strip(b"\0") or rest.startswith(mpeg.TAGS)


def _check_size(promised: int, there: int) -> None:
    """Raises a DamageError if samples are missing.

    Args:
        promised: bytes of samples; -1 for all that follow. So are the values that ffmpeg
            (2 ** 32 - 1), SoX and ALSA (just below 2 ** 31) write to a pipe, where they cannot
            correct them later.
        there: bytes that follow.
    """
    if promised == -1 or promised >> 16 == 0xFFFF or 0x7EFF_0000 <= promised <= 0x8000_0000:
        return
    if not 0 <= promised <= there:
        raise DamageError(
            f"breaks off: its header promises {promised:,} bytes of samples, and {there:,} follow"
        )


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _ogg_checksum(page: bytes) -> int:
    """Returns Ogg's CRC: zlib's with the bits reversed and without inversions."""
    crc = zlib.crc32(page.translate(_REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int.from_bytes(crc.to_bytes(4, "little").translate(_REVERSED), "big")


def check_ogg(content: bytes) -> None:
    """Follows the pages of RFC 3533 from the first to the one that is marked as the last.

    Raises:
        DamageError: one of them is damaged or missing, or there is more than one stream.
    """
    position, count, flags, serial = 0, 0, 0, None
    while position < len(content):
        header = content[position : position + 27].ljust(27, b"\0")
        magic, flags, stream, number, checksum, segments = struct.unpack("<5sB8xIIIB", header)
        body = position + 27 + segments
        end = body + sum(content[position + 27 : body])
        if end > len(content):
            break
        page = header[:22] + bytes(4) + content[position + 26 : end]
        if magic != b"OggS\0" or _ogg_checksum(page) != checksum:
            raise DamageError(f"is damaged at byte {position:,}")
        if serial not in (None, stream):
            raise DamageError("holds several sounds, or a sound and something else")
        if number != count:
            raise DamageError(f"lacks a part, before byte {position:,}")
        position, count, serial = end, count + 1, stream
    if position < len(content) or not flags & 4:
        raise DamageError("breaks off: its last page is missing")


def check_flac(content: bytes, samples: np.ndarray) -> None:
    """Compares samples with the checksum in a FLAC file's header; other formats have none.

    Args:
        content: of the file.
        samples: float32 [samples, channels], all that were decoded.

    Raises:
        DamageError: they differ.
    """
    checksum = content[26:42]  # within STREAMINFO, which is the first block
    if not content.startswith(b"fLaC") or not any(checksum):
        return
    bits = ((content[20] & 1) << 4 | content[21] >> 4) + 1  # no more than 24 for libsndfile
    integers = (samples * 2.0 ** (bits - 1)).astype("<i4")
    width = -(-bits // 8)
    if hashlib.md5(integers.view("u1").reshape(-1, 4)[:, :width].tobytes()).digest() != checksum:
        raise DamageError("is damaged: its samples do not match its checksum")
