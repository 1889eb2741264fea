"""The packs' WAV files: a note's samples with a `smpl` chunk, which samplers read the loop from."""

import struct
from pathlib import Path

import numpy as np
import soundfile

from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.instrument.rendered import RenderedNote
from wavenet_ae.system.errors import UserError

_BYTES = 2  # of a sample
_PCM, _CHANNELS = 1, 1
_FORWARD = 0  # the type of a loop


def read_note(folder: Path, note: RenderedNote) -> np.ndarray:
    """Reads the file of a rendered note.

    Returns:
        int16 `[samples]`, unchanged.

    Raises:
        UserError: the file is not what the description says.
    """
    path = folder / note.file
    try:
        with soundfile.SoundFile(path) as file:
            is_ours = (file.samplerate, file.channels, file.subtype) == (
                SAMPLE_RATE_HZ,
                _CHANNELS,
                "PCM_16",
            )
            samples = file.read(dtype="int16") if is_ours else None
    except (OSError, soundfile.SoundFileError) as error:
        raise UserError(f"{path} cannot be read: render the instrument again.") from error
    if samples is None or len(samples) != note.samples or not _fits(note):
        raise UserError(f"{path} does not fit its description: render the instrument again.")
    return samples


def _fits(note: RenderedNote) -> bool:
    first, end = note.loop or (-1, 0)
    return first < end <= note.release <= note.samples


def content(samples: np.ndarray, pitch: int, loop: tuple[int, int] | None) -> bytes:
    """Returns a mono 16-bit WAV file at 16 kHz.

    Args:
        samples: int16 `[samples]`.
        pitch: MIDI, the key at which a sampler plays it unchanged. The chunk's fine tuning stays 0:
            the packs tune the note themselves, and some players would do it twice.
        loop: its first sample, and the one after its last; the chunk holds the last.
    """
    form = struct.pack(
        "<HHIIHH",
        _PCM,
        _CHANNELS,
        SAMPLE_RATE_HZ,
        SAMPLE_RATE_HZ * _BYTES,
        _BYTES,
        8 * _BYTES,
    )
    nanoseconds = round(1e9 / SAMPLE_RATE_HZ)
    # Maker, product, period, key, its fraction, two numbers of SMPTE, loops, bytes that follow.
    sampler = struct.pack("<9I", 0, 0, nanoseconds, pitch, 0, 0, 0, int(loop is not None), 0)
    if loop is not None:
        # Number, type, first and last sample, fraction, repetitions (0: until the key is lifted).
        sampler += struct.pack("<6I", 0, _FORWARD, loop[0], loop[1] - 1, 0, 0)
    # `smpl` stands before the samples, where readers of streams find it.
    chunks = (
        chunk(b"fmt ", form) + chunk(b"smpl", sampler) + chunk(b"data", _little_endian(samples))
    )
    return chunk(b"RIFF", b"WAVE" + chunks)


def _little_endian(samples: np.ndarray) -> bytes:
    return samples.astype("<i2").tobytes()


def chunk(name: bytes, body: bytes) -> bytes:
    """Returns a chunk of a RIFF file, padded to an even length."""
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
