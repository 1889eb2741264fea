"""SF2: SoundFont 2.01, one file with all sounds, for FluidSynth, MuseScore, Polyphone and others.

The numbers of generators and the records' layouts are those of the SoundFont technical
specification 2.01, sections 7 and 8.
"""

import math
import struct
from collections.abc import Mapping, Sequence

import numpy as np

from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.instrument.packs import names
from wavenet_ae.instrument.packs.wav import chunk
from wavenet_ae.instrument.packs.zones import Patch, Zone

SUFFIX = ".sf2"

_NAME_BYTES = 19  # and a zero
_PRESETS = 128  # of a bank
_SILENCE = 46  # samples that must follow each, for players' interpolation
_MONO = 1

_RELEASE, _INSTRUMENT, _KEYS, _ATTENUATION, _SAMPLE, _LOOPS = 38, 41, 43, 48, 53, 54
_PLAYED_ONCE, _LOOPED = 0, 1
# The attenuation is in centibels, of which the hardware that the format was made for played 0.4;
# FluidSynth and most others follow it, not the specification.
_PLAYED_SHARE = 0.4
_MOST_ATTENUATION = 1440
# Releases are given for 100 dB, in timecents: 1200 to an octave of seconds.
_RELEASE_DB, _ZONE_DB = 100.0, 60.0
_LONGEST_RELEASE = 8000


def content(name: str, patches: Sequence[Patch], samples: Mapping[str, np.ndarray]) -> bytes:
    """Returns a SoundFont with one preset for each sound, in the order given, from bank 0 on.

    Args:
        name: of the font.
        patches: the sounds.
        samples: int16 `[samples]` by `Zone.file`.
    """
    about = b"".join(
        chunk(tag, body + b"\0" * (2 - len(body) % 2) if tag != b"ifil" else body)
        for tag, body in (
            (b"ifil", struct.pack("<HH", 2, 1)),
            (b"isng", b"EMU8000"),
            (b"INAM", names.ascii_bytes([name], 255)[0]),
            (b"ISFT", b"wavenet_ae"),
        )
    )
    zones = [zone for patch in patches for zone in patch.zones]
    silence = np.zeros(_SILENCE, "<i2")
    sound = b"".join(
        part.astype("<i2").tobytes() for zone in zones for part in (samples[zone.file], silence)
    )
    records = _records(patches)
    return chunk(
        b"RIFF",
        b"sfbk"
        + chunk(b"LIST", b"INFO" + about)
        + chunk(b"LIST", b"sdta" + chunk(b"smpl", sound))
        + chunk(b"LIST", b"pdta" + b"".join(chunk(tag, body) for tag, body in records.items())),
    )


def _records(patches: Sequence[Patch]) -> dict[bytes, bytes]:
    """Returns the tables that describe presets, instruments and samples, by name.

    Each ends with a record that says where the last one's parts end.
    """
    titles = names.ascii_bytes([patch.name for patch in patches], _NAME_BYTES)
    tables = dict.fromkeys(b"phdr pbag pmod pgen inst ibag imod igen shdr".split(), b"")
    generators = num_zones = 0
    for number, (patch, title) in enumerate(zip(patches, titles, strict=True)):
        bank, program = divmod(number, _PRESETS)
        tables[b"phdr"] += _preset(title, program, bank, number)
        tables[b"pbag"] += struct.pack("<HH", number, 0)
        tables[b"pgen"] += struct.pack("<HH", _INSTRUMENT, number)
        tables[b"inst"] += struct.pack("<20sH", title, num_zones)
        for zone in patch.zones:
            of_zone = _generators(zone, num_zones)
            tables[b"ibag"] += struct.pack("<HH", generators, 0)
            tables[b"igen"] += b"".join(of_zone)
            generators, num_zones = generators + len(of_zone), num_zones + 1
    count = len(patches)
    tables[b"phdr"] += _preset(b"EOP", 0, 0, count)
    tables[b"pbag"] += struct.pack("<HH", count, 0)
    tables[b"inst"] += struct.pack("<20sH", b"EOI", num_zones)
    tables[b"ibag"] += struct.pack("<HH", generators, 0)
    for tag in (b"pgen", b"igen"):
        tables[tag] += bytes(4)
    for tag in (b"pmod", b"imod"):
        tables[tag] += bytes(10)
    return tables | {b"shdr": _samples(patches)}


def _preset(title: bytes, program: int, bank: int, first_zone: int) -> bytes:
    return struct.pack("<20sHHHIII", title, program, bank, first_zone, 0, 0, 0)


def _generators(zone: Zone, sample: int) -> list[bytes]:
    """Returns a zone's settings; the keys come first and the sample last, as the format demands."""
    first, last = zone.keys
    attenuation = min(round(-10 * zone.gain_db / _PLAYED_SHARE), _MOST_ATTENUATION)
    release_s = zone.release_s * _RELEASE_DB / _ZONE_DB
    release = min(round(1200 * math.log2(release_s)), _LONGEST_RELEASE)
    # Looped after the key, too: the note's own tail falls, and would fall twice as fast.
    loops = _LOOPED if zone.note.loop else _PLAYED_ONCE
    return [
        struct.pack("<HBB", _KEYS, first, last),
        struct.pack("<Hh", _RELEASE, release),
        struct.pack("<Hh", _ATTENUATION, attenuation),
        struct.pack("<HH", _LOOPS, loops),
        struct.pack("<HH", _SAMPLE, sample),
    ]


def _samples(patches: Sequence[Patch]) -> bytes:
    """Returns the samples' headers: where each lies, loops (exclusive ends), key and tuning."""
    zones = [(patch, zone) for patch in patches for zone in patch.zones]
    titles = names.ascii_bytes([f"{p.name[:14]} {z.note.pitch}" for p, z in zones], _NAME_BYTES)
    headers, start = b"", 0
    for title, (_, zone) in zip(titles, zones, strict=True):
        note = zone.note
        first, end = note.loop or (0, note.samples)
        headers += struct.pack(
            "<20sIIIIIBbHH",
            title,
            start,
            start + note.samples,
            start + first,
            start + end,
            SAMPLE_RATE_HZ,
            note.pitch,
            zone.tune_cents,
            0,
            _MONO,
        )
        start += note.samples + _SILENCE
    return headers + struct.pack("<20sIIIIIBbHH", b"EOS", *[0] * 9)
