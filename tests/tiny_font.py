"""A SoundFont of one sine."""

import struct
from pathlib import Path

import numpy as np


def write_tiny_font(path: Path, presets: list[tuple[int, int, int]]) -> Path:
    """Writes an sf2 of one looped sine; presets are (program, first key, last key)."""
    rate, period = 44_100, 100  # 441 Hz
    sine = np.rint(16_000 * np.sin(2 * np.pi * np.arange(50 * period) / period))
    samples = np.concatenate([sine, np.zeros(46)]).astype("<i2").tobytes()

    def chunk(name: bytes, body: bytes) -> bytes:
        body += b"\0" * (len(body) % 2)
        return name + struct.pack("<I", len(body)) + body

    def name20(text: str) -> bytes:
        return text.encode().ljust(20, b"\0")

    generators = [(43, first | last << 8) for _, first, last in presets]  # keyRange
    phdr = pbag = pgen = inst = ibag = igen = b""
    for n, ((program, _, _), (operator, amount)) in enumerate(
        zip(presets, generators, strict=True)
    ):
        phdr += name20(f"Tiny {program}") + struct.pack("<HHHIII", program, 0, n, 0, 0, 0)
        pbag += struct.pack("<HH", n, 0)
        pgen += struct.pack("<HH", 41, n)  # instrument
        inst += name20(f"Tiny {program}") + struct.pack("<H", n)
        ibag += struct.pack("<HH", 3 * n, 0)
        # keyRange, sampleModes (loop), sampleID: the last one by rule
        igen += struct.pack("<HHHHHH", operator, amount, 54, 1, 53, 0)
    count = len(presets)
    phdr += name20("EOP") + struct.pack("<HHHIII", 0, 0, count, 0, 0, 0)
    pbag += struct.pack("<HH", count, 0)
    inst += name20("EOI") + struct.pack("<H", count)
    ibag += struct.pack("<HH", 3 * count, 0)
    shdr = name20("sine") + struct.pack(
        "<IIIIIBbHH", 0, 50 * period, 10 * period, 40 * period, rate, 69, 0, 0, 1
    )
    shdr += name20("EOS") + bytes(26)
    info = chunk(b"ifil", struct.pack("<HH", 2, 1)) + chunk(b"isng", b"EMU8000\0")
    info += chunk(b"INAM", b"Tiny\0\0")
    tables = {
        b"phdr": phdr,
        b"pbag": pbag,
        b"pmod": bytes(10),
        b"pgen": pgen + bytes(4),
        b"inst": inst,
        b"ibag": ibag,
        b"imod": bytes(10),
        b"igen": igen + bytes(4),
        b"shdr": shdr,
    }
    pdta = b"".join(chunk(name, body) for name, body in tables.items())
    body = b"sfbk" + chunk(b"LIST", b"INFO" + info)
    body += chunk(b"LIST", b"sdta" + chunk(b"smpl", samples)) + chunk(b"LIST", b"pdta" + pdta)
    path.write_bytes(chunk(b"RIFF", body))
    return path
