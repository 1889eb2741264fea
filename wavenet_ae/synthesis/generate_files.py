"""Embeddings to sound files."""

import contextlib
import json
import sys
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from wavenet_ae.audio import files
from wavenet_ae.synthesis import embeddings, sampler
from wavenet_ae.synthesis.codec import Codec
from wavenet_ae.synthesis.embeddings import EncodedSound
from wavenet_ae.synthesis.encode_files import encode_file, report_other_pitch
from wavenet_ae.system import processes
from wavenet_ae.system.counting import count
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.results import Record, digest

_SUFFIX = ".wav"


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
    """Reads embeddings and encodes sound files; unreadable files are reported and left out.

    Args:
        codec: the model.
        sources: sound files and `.npz` embeddings.
        pitch: MIDI, for a model that is conditioned on pitch; None takes it from the file's name
            or the pitch tracker.

    Returns:
        The sounds, and the number of files refused.
    """
    jobs, refused = [], 0
    for source in processes.progress(sources, unit="file", desc="reading"):
        try:
            if source.path.suffix.lower() in embeddings.SUFFIXES:
                sound = embeddings.load(source.path, codec)
                if pitch is not None:
                    report_other_pitch(source.path.name, pitch, sound.pitch)
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


def blend_jobs(
    codec: Codec, jobs: Sequence[Job], weights: Sequence[float], interpolation: str
) -> Job:
    """Returns one sound to generate from several, by a weighted mean of their embeddings.

    Its pitch is that of the sound with the largest weight, the first of equals.

    Args:
        codec: the model that will generate it.
        jobs: at least one.
        weights: a number for each.
        interpolation: "linear" or "spherical".

    Raises:
        UserError: see `embeddings.check_weights`.
    """
    sound = embeddings.blend([job.sound for job in jobs], weights, interpolation)
    if codec.num_pitches and sound.pitch < 0:
        heaviest = jobs[int(np.argmax(weights))].sound
        sound = sound._replace(pitch=heaviest.pitch)
        tqdm.write(
            f"the blend has the pitch of {heaviest.source}, MIDI {heaviest.pitch}: --pitch gives "
            "it another",
            file=sys.stderr,
        )
    ending = "" if interpolation == "linear" else f"_{interpolation}"
    pairs = zip(jobs, weights, strict=True)
    # Short enough for a file's name, whatever the inputs are called.
    name = "_".join(f"{Path(job.name).name[:40]}_{w:g}" for job, w in pairs)[:200]
    return Job(name + ending, sound)


def sounds_in(folder: Path) -> Record:
    """Returns the record of a folder's WAV files, with the name that older versions gave it."""
    return Record(folder, "generated", _SUFFIX)


def save_sounds(folder: Path, sounds: Mapping[str, np.ndarray]) -> None:
    """Writes sounds beside generated ones; only such sounds are replaced.

    Args:
        folder: created if needed.
        sounds: float `[samples]` at 16 kHz, by name, which is the file's without suffix.

    Raises:
        UserError: a file cannot be written or replaced.
    """
    with sounds_in(folder).writing(dict.fromkeys(sounds, digest("saved")), replace=True):
        for name, audio in sounds.items():
            files.save(folder / f"{name}{_SUFFIX}", audio)


def check_names(folder: Path, names: Iterable[str]) -> None:
    """Checks in advance that sounds of these names may be written.

    Raises:
        UserError: one of them exists and was not generated.
    """
    sounds_in(folder).check(dict.fromkeys(names, ""), replace=True)


def generate_files(
    codec: Codec,
    jobs: Sequence[Job],
    output: Path,
    *,
    seed: int = 0,
    batch_size: int = 16,
    num_sounds: int | None = None,
    replace: bool = True,
) -> None:
    """Writes one WAV file per sound, of exactly the sound's length.

    A sound that is in the folder already, from the same embedding and settings, is skipped;
    a file that was not generated is never replaced.

    Args:
        codec: the model.
        jobs: what to generate.
        output: the folder.
        seed: with a sound's name it makes the sound's random key.
        batch_size: sounds generated together.
        num_sounds: in all processes; None if these jobs are all. It determines the rows of a batch,
            so that a sound's rounding does not depend on how sounds are shared out.
        replace: sounds of these names that were generated from other embeddings or settings.

    Raises:
        UserError: a file cannot be written or replaced, or the model needs a pitch and a sound has
            none.
    """
    generate_by_codecs(
        [(codec, jobs)],
        output,
        seed=seed,
        batch_size=batch_size,
        num_sounds=num_sounds,
        replace=replace,
    )


def generate_by_codecs(
    groups: Sequence[tuple[Codec, Sequence[Job]]],
    output: Path,
    *,
    seed: int = 0,
    batch_size: int = 16,
    num_sounds: int | None = None,
    replace: bool = True,
) -> None:
    """Writes the sounds of several models as `generate_files` does, with one progress bar.

    Args:
        groups: models, each with what it is to generate, in this order; all names differ.
        output: see `generate_files`, as for the others; `num_sounds` is of each group.
        seed: for the random keys.
        batch_size: sounds generated together, all by one model.
        num_sounds: of a group in all processes.
        replace: sounds that were generated otherwise.

    Raises:
        UserError: see `generate_files`; nothing is generated then, for no model.
    """
    record, made_from = sounds_in(output), {}
    for codec, jobs in groups:
        for job in jobs:
            check_pitch(codec, job.sound)
            made_from[job.name] = _digest(codec, job, seed)
    done = {name for name in made_from if record.holds(name, made_from[name])}
    wanted = {name: source for name, source in made_from.items() if name not in done}
    record.check(wanted, replace=replace)
    if done:
        processes.say(f"{len(done)} of {len(made_from)} sounds are in {output} already")
    if not wanted:
        return
    total = sum(job.sound.num_samples for _, jobs in groups for job in jobs if job.name in wanted)
    started = time.monotonic()
    with processes.progress(total=total, unit="sample", unit_scale=True, desc="generating") as bar:
        for codec, jobs in groups:
            # Sounds of similar lengths share a batch, which takes as long as its longest.
            todo = sorted(
                (job for job in jobs if job.name in wanted), key=lambda job: job.sound.num_samples
            )
            num_rows = min(batch_size, num_sounds or len(jobs))
            for first in range(0, len(todo), num_rows):
                batch = todo[first : first + num_rows]
                with record.writing({job.name: wanted[job.name] for job in batch}, replace=True):
                    _generate_batch(codec, batch, num_rows, output, seed, bar)
    rate = total / (time.monotonic() - started)
    processes.say(
        f"{count(len(wanted), 'sound')} in {output}, {rate:,.0f} samples/s with the compilation"
    )


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
        paths = [output / f"{job.name}{_SUFFIX}" for job in batch]
        writers = [stack.enter_context(files.Writer(path)) for path in paths]
        left = [job.sound.num_samples for job in batch]
        for chunk in codec.generate(embedding, keys, pitch):
            if not np.isfinite(chunk).all():
                raise UserError(
                    f"{codec.trained.name} decodes {batch[0].name} or another sound to NaN or "
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
    return digest(json.dumps(settings), sound.embedding.tobytes())
