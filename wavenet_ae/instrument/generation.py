"""Generates the notes of a plan, in batches, and again those that are out of tune."""

import collections
import math
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from wavenet_ae.instrument import finishing, tuning
from wavenet_ae.instrument.finishing import Finished
from wavenet_ae.instrument.plan import PlannedNote
from wavenet_ae.instrument.stored import StoredNotes
from wavenet_ae.synthesis import embeddings, sampler
from wavenet_ae.synthesis.codec import Codec
from wavenet_ae.synthesis.embeddings import EncodedSound
from wavenet_ae.synthesis.encode_files import encode_sound
from wavenet_ae.system import processes
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.worker_pool import num_cores

# What further attempts, pitch tracking and loops add to the time of the first attempts.
_OTHER_WORK = 1.6


class _Attempt(NamedTuple):
    """A note to generate.

    Attributes:
        note: of the plan.
        number: from 1.
        semitones: how far from its pitch it is generated.
    """

    note: PlannedNote
    number: int
    semitones: int


def generate(
    codec: Codec, notes: Sequence[PlannedNote], stored: StoredNotes, *, seed: int, batch_size: int
) -> None:
    """Generates notes and stores each as soon as its batch is complete.

    Args:
        codec: the model.
        notes: what is not stored yet, or out of tune with attempts left; each name once.
        stored: to add them to.
        seed: with a note's name and attempt it makes the random key.
        batch_size: notes generated together at most.

    Raises:
        UserError: the model's numbers are not finite, or a note cannot be written.
    """
    if not notes:
        return
    encoded = _encode(codec, notes)
    # Notes of similar lengths share a batch, which takes as long as its longest.
    ordered = sorted(notes, key=lambda note: note.num_samples)
    waiting = collections.deque(_next_attempt(codec, note, stored) for note in ordered)
    # Batches of one size: one compiled program serves all but the last.
    num_rows = math.ceil(len(waiting) / math.ceil(len(waiting) / batch_size))
    total = sum(note.num_samples for note in notes)
    with (
        processes.progress(total=total, unit="sample", unit_scale=True, desc="generating") as bar,
        ThreadPoolExecutor(num_cores()) as pool,
    ):
        is_first = True
        while waiting:
            batch = [waiting.popleft() for _ in range(min(num_rows, len(waiting)))]
            sounds = _generate_batch(codec, batch, encoded, seed, bar, announce=is_first)
            for attempt, finished in zip(batch, pool.map(_finish, batch, sounds), strict=True):
                note = stored.add(attempt.note.name, finished, attempt.number)
                if not note.is_in_tune and note.attempts < attempt.note.most_attempts:
                    waiting.append(_next_attempt(codec, attempt.note, stored))
                    bar.total += attempt.note.num_samples
            bar.refresh()
            is_first = False


def _encode(codec: Codec, notes: Sequence[PlannedNote]) -> dict[str, EncodedSound]:
    """Returns the embeddings of all recordings that notes are made from, by their contents."""
    recordings = {part.recording.content: part.recording for note in notes for part in note.parts}
    return {
        content: encode_sound(codec, recording.audio, source=recording.path.name)
        for content, recording in processes.progress(
            recordings.items(), unit="file", desc="encoding"
        )
    }


def _next_attempt(codec: Codec, note: PlannedNote, stored: StoredNotes) -> _Attempt:
    before = stored.get(note.name)
    number = 1 + (before.attempts if before else 0)
    semitones = tuning.semitones(number)
    if not 0 <= note.pitch + semitones < codec.num_pitches:
        semitones = 0
    return _Attempt(note, number, semitones)


def _generate_batch(
    codec: Codec,
    batch: Sequence[_Attempt],
    encoded: dict[str, EncodedSound],
    seed: int,
    bar: tqdm,
    *,
    announce: bool,
) -> list[np.ndarray]:
    """Returns the sounds of a batch, each float32 `[samples]` of its note's length."""
    lengths = [attempt.note.num_samples for attempt in batch]
    num_frames = -(-max(lengths) // codec.hop_length)
    embedding = np.stack([_blend(attempt.note, encoded)[:num_frames] for attempt in batch])
    pitch = None
    if codec.num_pitches:
        pitch = np.array([attempt.note.pitch + attempt.semitones for attempt in batch], np.int32)
    numbers = [zlib.crc32(f"{attempt.note.name} {attempt.number}".encode()) for attempt in batch]
    keys = sampler.note_keys(seed, np.array(numbers, np.uint32))
    chunks, done = [], 0
    for chunk in _timed(codec.generate(embedding, keys, pitch), bar, announce=announce):
        if not np.isfinite(chunk).all():
            raise UserError(
                f"{codec.trained.name} decodes to NaN or infinity: name an earlier checkpoint."
            )
        chunks.append(chunk)
        after = done + chunk.shape[1]
        bar.update(sum(min(length, after) - min(length, done) for length in lengths))
        done = after
    audio = np.concatenate(chunks, axis=1)
    return [row[:length] for row, length in zip(audio, lengths, strict=True)]


def _blend(note: PlannedNote, encoded: dict[str, EncodedSound]) -> np.ndarray:
    """Returns a note's embedding `[frames, embedding_size]`: its parts' weighted sum."""
    sounds = [encoded[part.recording.content] for part in note.parts]
    return embeddings.blend(sounds, [part.weight for part in note.parts]).embedding


def _timed(chunks: Iterator[np.ndarray], bar: tqdm, *, announce: bool) -> Iterator[np.ndarray]:
    """Yields chunks; after the first without a compilation, says how long all take."""
    started = time.monotonic()
    for number, chunk in enumerate(chunks):
        if announce and number == 1:
            seconds = (time.monotonic() - started) / chunk.size * bar.total * _OTHER_WORK
            bar.write(f"this takes {spell_time(seconds)} on this machine", file=sys.stderr)
        yield chunk
        started = time.monotonic()


def spell_time(seconds: float) -> str:
    """Returns a duration in words, rounded."""
    if seconds < 90:
        return "about a minute" if seconds > 30 else "less than a minute"
    if seconds < 90 * 60:
        return f"about {seconds / 60:.0f} minutes"
    return f"about {seconds / 3600:.3g} hours"


def _finish(attempt: _Attempt, generated: np.ndarray) -> Finished:
    return finishing.finish(generated, attempt.note.pitch, -attempt.semitones)
