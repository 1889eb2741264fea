"""Embeddings to sound files."""

import contextlib
import hashlib
import json
import sys
import time
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from tqdm import tqdm

from wavenet_ae import atomic_file, processes
from wavenet_ae.audio import files
from wavenet_ae.errors import UserError
from wavenet_ae.synthesis import embeddings, sampler
from wavenet_ae.synthesis.codec import Codec
from wavenet_ae.synthesis.embeddings import EncodedSound
from wavenet_ae.synthesis.encode_files import encode_file, tell_other_pitch

# What was generated from what, so that an interrupted command goes on where it stopped.
MANIFEST_FILE = "generated.json"


class Job(NamedTuple):
    """A sound to generate.

    Attributes:
        name: of the output file, without its suffix; also picks the sound's random key.
        sound: the embedding and the length.
    """

    name: str
    sound: EncodedSound


def read_sounds(
    codec: Codec, sources: Sequence[files.Source], pitch: int | None
) -> tuple[list[Job], int]:
    """Reads embeddings and encodes sound files; what cannot be read is named, the others go on.

    Args:
        codec: the model.
        sources: sound files and `.npz` embeddings.
        pitch: MIDI, for a model that is conditioned on pitch; None takes what the file is called
            or what is heard.

    Returns:
        The sounds, and the number of files refused.
    """
    jobs, refused = [], 0
    for source in processes.progress(sources, unit="file", desc="reading"):
        try:
            if source.path.suffix.lower() in embeddings.SUFFIXES:
                sound = embeddings.load(source.path, codec)
                if pitch is not None:
                    tell_other_pitch(source.path.name, pitch, sound.pitch)
                    sound = sound._replace(pitch=pitch)
            else:
                sound = encode_file(codec, source.path, pitch)
            check_pitch(codec, sound)
        except UserError as error:
            tqdm.write(f"refused: {error}", file=sys.stderr)
            refused += 1
        else:
            jobs.append(Job(source.stem, sound))
    return jobs, refused


def check_pitch(codec: Codec, sound: EncodedSound) -> None:
    """Raises a UserError if the model is conditioned on pitch and cannot play the sound's."""
    highest = codec.num_pitches - 1
    if codec.num_pitches and sound.pitch > highest:
        raise UserError(
            f"{sound.source}: the model knows the pitches 0..{highest}, not {sound.pitch}: give "
            f"--pitch=0..{highest}."
        )
    if codec.num_pitches and sound.pitch < 0:
        raise UserError(
            f"the pitch of {sound.source} is not known, and the model is conditioned on it: give "
            f"--pitch=0..{highest}, or name the file like flute_acoustic_000-060-100."
        )


def generate_files(
    codec: Codec,
    jobs: Sequence[Job],
    output: Path,
    *,
    seed: int = 0,
    batch_size: int = 16,
    num_sounds: int | None = None,
) -> None:
    """Writes one WAV file a sound, of exactly the sound's length.

    A sound that the folder already holds, from the same embedding and settings, is left alone.

    Args:
        codec: the model.
        jobs: what to generate.
        output: the folder.
        seed: with a sound's name it makes the sound's random key.
        batch_size: sounds generated together.
        num_sounds: of which these jobs are a share; None where they are all. Batches have as many
            rows as these need, so that a sound's rounding does not depend on the share.

    Raises:
        UserError: a file cannot be written, or the model needs a pitch and a sound has none.
    """
    for job in jobs:
        check_pitch(codec, job.sound)
    manifest = _Manifest(output)
    digests = {job.name: _digest(codec, job, seed) for job in jobs}
    todo = [job for job in jobs if not manifest.holds(job.name, digests[job.name])]
    if len(todo) < len(jobs):
        processes.say(f"{len(jobs) - len(todo)} of {len(jobs)} sounds are in {output} already")
    if not todo:
        return
    # Sounds of like lengths share a batch, which lasts as long as its longest.
    todo.sort(key=lambda job: job.sound.num_samples)
    total = sum(job.sound.num_samples for job in todo)
    num_rows = min(batch_size, num_sounds or len(jobs))
    started = time.monotonic()
    with processes.progress(total=total, unit="sample", unit_scale=True, desc="generating") as bar:
        for first in range(0, len(todo), num_rows):
            batch = todo[first : first + num_rows]
            _generate_batch(codec, batch, num_rows, output, seed, bar)
            manifest.add({job.name: digests[job.name] for job in batch})
    rate = total / (time.monotonic() - started)
    processes.say(f"{len(todo)} sounds in {output}, {rate:,.0f} samples/s with the compilation")


def _generate_batch(
    codec: Codec,
    batch: Sequence[Job],
    num_rows: int,
    output: Path,
    seed: int,
    bar: tqdm,
) -> None:
    # A batch that is not full has as many rows as the others: one program serves all, and a
    # sound that an interruption left out comes out the same.
    rows = [batch[i % len(batch)] for i in range(num_rows)]
    num_frames = max(len(job.sound.embedding) for job in batch)
    embedding = np.stack(
        [
            np.pad(e, ((0, num_frames - len(e)), (0, 0)), mode="edge")
            for e in (job.sound.embedding for job in rows)
        ]
    )
    pitch = None
    if codec.num_pitches:
        pitch = np.array([job.sound.pitch for job in rows], np.int32)
    keys = sampler.note_keys(seed, np.array([_key_number(job) for job in rows], np.uint32))
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(files.Writer(output / f"{job.name}.wav")) for job in batch]
        left = [job.sound.num_samples for job in batch]
        for chunk in codec.generate(embedding, keys, pitch):
            if not np.isfinite(chunk).all():
                raise UserError(
                    f"{codec.trained.folder} decodes {batch[0].name} or one beside it to NaN or "
                    "infinity: look at the embeddings, or name an earlier checkpoint."
                )
            for row, writer in enumerate(writers):
                piece = chunk[row, : left[row]]
                writer.write(piece)
                left[row] -= len(piece)
                bar.update(len(piece))


def _key_number(job: Job) -> int:
    return zlib.crc32(job.name.encode())


def _digest(codec: Codec, job: Job, seed: int) -> str:
    sound, fingerprint = job.sound, codec.trained.fingerprint
    settings = [fingerprint, dict(codec.settings), seed, sound.num_samples, sound.pitch]
    digest = hashlib.sha256(json.dumps(settings).encode())
    digest.update(sound.embedding.tobytes())
    return digest.hexdigest()[:16]


class _Manifest:
    """What the sounds in a folder were made from, and what they hold.

    Every process that writes there has a file of its own, so that none loses another's lines.
    """

    def __init__(self, output: Path):
        self._output = output
        index = jax.process_index()
        self._path = output / (MANIFEST_FILE if not index else f"generated-{index}.json")
        others = [path for path in output.glob("generated*.json") if path != self._path]
        self._others = [self._read(path) for path in others]
        self._own = self._read(self._path)

    @staticmethod
    def _read(path: Path) -> dict[str, str]:
        try:
            lines = json.loads(path.read_text())
        except (OSError, ValueError):
            lines = {}
        # Where it is not there, or damaged, there is nothing to go on from.
        return lines if isinstance(lines, dict) else {}

    def _line(self, name: str, digest: str) -> str | None:
        """Returns the line of a sound that was made from what has this digest."""
        path = self._output / f"{name}.wav"
        if not path.exists():
            return None
        return f"{digest} {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"

    def holds(self, name: str, digest: str) -> bool:
        lines = [lines[name] for lines in (self._own, *self._others) if name in lines]
        return bool(lines) and self._line(name, digest) in lines

    def add(self, digests: Mapping[str, str]) -> None:
        self._own |= {name: self._line(name, digest) for name, digest in digests.items()}
        with atomic_file.replacing(self._path) as temporary:
            temporary.write_text(json.dumps(self._own, indent=1, sort_keys=True) + "\n")
