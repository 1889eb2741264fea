"""Checks the samples of sf3 files, each an Ogg stream; FluidSynth plays damaged ones in part."""

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

from wavenet_ae.audio import containers
from wavenet_ae.audio.damage import DamageError

_HEADER = struct.Struct("<20sIIIIIBbHH")  # SoundFont 2.04, section 7.10
_VORBIS = 0x10  # of a sample's type


def damaged_samples(path: Path) -> list[str]:
    """Returns the names of the damaged compressed samples; an sf2 file has none.

    Args:
        path: an sf2 or sf3 file.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        chunks = dict(_chunks(content, 12, len(content)))
        samples, headers = chunks.get(b"smpl", range(0)), chunks.get(b"shdr", range(0))
        damaged = []
        number = len(headers) // _HEADER.size
        last = headers.start + max(0, number - 1) * _HEADER.size  # the terminal record
        for fields in _HEADER.iter_unpack(content[headers.start : last]):
            name, start, end, kind = *fields[:3], fields[-1]
            if kind & _VORBIS:
                try:
                    containers.check_ogg(content[samples.start + start : samples.start + end])
                except DamageError:
                    damaged.append(name.partition(b"\0")[0].decode("latin-1"))
    return damaged


def _chunks(content: mmap.mmap, position: int, end: int) -> Iterator[tuple[bytes, range]]:
    """Yields the position of each chunk's content, including those within lists.

    Ranges end where a truncated file ends.
    """
    end = min(end, len(content))
    while position + 8 <= end:
        name, size = struct.unpack_from("<4sI", content, position)
        if name == b"LIST":
            yield from _chunks(content, position + 12, position + 8 + size)
        else:
            yield name, range(position + 8, min(position + 8 + size, end))
        position += 8 + size
        if size % 2 and content[position : position + 1] == b"\0":  # some files have no padding
            position += 1
