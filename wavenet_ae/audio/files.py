"""Sound files: any of them → 16 kHz mono float32, and back.

libsndfile (soundfile) knows the formats, soxr the rates; both give the samples their scale:
full-scale integers are ±1.
"""

import os
import types
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import soundfile
import soxr

from wavenet_ae.errors import UserError

SAMPLE_RATE_HZ = 16_000
SUFFIXES = (".aif", ".aiff", ".flac", ".mp3", ".ogg", ".wav")

_PathLike = str | os.PathLike[str]


class AudioFileError(UserError):
    """A sound file that cannot be read or written; the message names it and the reason."""


def load(path: _PathLike) -> np.ndarray:
    """Reads a sound file of any format, rate, width and number of channels.

    Args:
        path: WAV, FLAC, AIFF, OGG or whatever else libsndfile reads.

    Returns:
        float32 [samples] at 16 kHz, the mean of the channels, at least one sample. 16-bit mono
        files at 16 kHz come out as exactly integer / 32768. Float files (and resampled ones) may
        exceed ±1; they are not clipped here, mu-law coding clips them.

    Raises:
        AudioFileError: the file is missing, empty, not a sound file, or holds NaN or infinity.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise AudioFileError(f"{path} is a folder, not a sound file.")
        if path.stat().st_size == 0:
            raise AudioFileError(f"{path} is an empty file.")
        with path.open("rb"):  # libsndfile calls every failure to open "System error"
            pass
    except FileNotFoundError:
        raise AudioFileError(f"{path} does not exist.") from None
    except OSError as error:
        raise AudioFileError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        channels, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        reason = getattr(error, "error_string", str(error)).rstrip(".")
        raise AudioFileError(f"{path} is not a sound file that can be read ({reason}).") from error
    except UnicodeEncodeError as error:  # from an archive in another encoding
        raise AudioFileError(f"{path} has a name that is not UTF-8: rename it.") from error
    except TypeError as error:  # a headerless format, known by its suffix alone
        raise AudioFileError(f"{path} has no header; convert it to WAV.") from error
    if not len(channels):
        raise AudioFileError(f"{path} holds no samples.")
    if not np.isfinite(channels).all():
        raise AudioFileError(f"{path} holds samples that are NaN or infinite.")
    return _resample(channels.mean(axis=1), rate_hz)


def _resample(audio: np.ndarray, rate_hz: int) -> np.ndarray:
    """Brings float32 [samples] from `rate_hz` to 16 kHz."""
    if rate_hz == SAMPLE_RATE_HZ:
        return audio
    resampled = soxr.resample(audio, rate_hz, SAMPLE_RATE_HZ, quality="HQ")
    if not len(resampled):  # less than half a sample at 16 kHz: its silence to the right counts
        padded = np.pad(audio, (0, rate_hz // SAMPLE_RATE_HZ + 1))
        resampled = soxr.resample(padded, rate_hz, SAMPLE_RATE_HZ, quality="HQ")[:1]
    return resampled


def save(path: _PathLike, audio: np.ndarray) -> None:
    """Writes a 16-bit mono WAV file at 16 kHz, whole or not at all.

    Args:
        path: the file; its folders are made, an older file is replaced.
        audio: float [samples] in [-1, 1); rounded to the nearest of 65,536 levels, clipped.

    Raises:
        AudioFileError: the file cannot be written.
        ValueError: `audio` is not [samples], or holds NaN or infinity.
    """
    with Writer(path) as writer:
        writer.write(audio)


class Writer:
    """Writes a 16-bit mono WAV file at 16 kHz, piece by piece.

    Use it as a context manager. The samples go to a hidden file in the same folder, which takes
    the final name when the block ends and is deleted if the block raises; an older file of that
    name stays until then.

    Raises:
        AudioFileError: the file cannot be written.
    """

    def __init__(self, path: _PathLike):
        self._path = Path(path)
        # Its length does not depend on the name's, which may be as long as a name can be.
        self._temporary = self._path.with_name(f".{uuid.uuid4().hex}.tmp")

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = soundfile.SoundFile(
                self._temporary,
                "w",
                samplerate=SAMPLE_RATE_HZ,
                channels=1,
                format="WAV",
                subtype="PCM_16",
            )
        except (OSError, soundfile.SoundFileError) as error:
            raise self._error(error) from error
        return self

    def write(self, chunk: np.ndarray) -> None:
        """Appends samples.

        Args:
            chunk: float [samples] in [-1, 1); rounded and clipped.

        Raises:
            AudioFileError: the file cannot be written.
            ValueError: `chunk` is not [samples], or holds NaN or infinity.
        """
        chunk = np.asarray(chunk)
        if chunk.ndim != 1 or not np.issubdtype(chunk.dtype, np.floating):
            raise ValueError(f"expected float [samples], got {chunk.dtype} {list(chunk.shape)}")
        if not np.isfinite(chunk).all():
            raise ValueError("the audio holds NaN or infinity")
        levels = np.clip(np.rint(chunk.astype(np.float64) * 32768), -32768, 32767)
        try:
            self._file.write(levels.astype(np.int16))
        except (OSError, soundfile.SoundFileError) as error:
            raise self._error(error) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        try:
            self._file.close()
            if kind is None:
                self._temporary.replace(self._path)
        except (OSError, soundfile.SoundFileError) as failure:
            raise self._error(failure) from failure
        finally:
            self._temporary.unlink(missing_ok=True)

    def _error(self, error: Exception) -> AudioFileError:
        """Returns what the user reads when the system refuses."""
        reason = getattr(error, "strerror", None) or getattr(error, "error_string", str(error))
        reason = reason.rstrip(".")
        return AudioFileError(
            f"{self._path} cannot be written ({reason}); is the disk full or the folder read-only?"
        )


class Source(NamedTuple):
    """An input file and the name that its output takes."""

    path: Path
    # Relative, with "/" and without suffix; append the suffix to it, since with_suffix() would
    # cut "take.2" short.
    stem: str


def find(
    inputs: Sequence[_PathLike],
    suffixes: Sequence[str] = SUFFIXES,
    leave_out: _PathLike | None = None,
) -> list[Source]:
    """Lists the files that the inputs stand for.

    Args:
        inputs: files and folders. A file is taken whatever its suffix; a folder is searched
            recursively for files with one of the suffixes, hidden ones aside. A file that comes
            up twice is listed once.
        suffixes: the endings to look for in folders, in lower case, like ".wav".
        leave_out: a folder that is not searched where it lies inside another: the place of
            results, which are no inputs of the next call.

    Returns:
        The files, in the order of the inputs and sorted within a folder, each with an output stem
        that no other has: the path within the folder, so that sub-folders are kept, or the
        name of a file given as such. Where two would be equal (`x.wav` and `x.flac`) the later
        gets a number (`x_2`, or the next that is free). Letter case makes no difference, as not
        every file system sees one.

    Raises:
        UserError: an input does not exist, or a folder holds no such file.
    """
    if not inputs:
        raise UserError("There is no input: name a file or a folder.")
    wanted: dict[Path, Source] = {}
    for given in map(Path, inputs):
        for source in _sources_in(given, suffixes, leave_out):
            wanted.setdefault(source.path.resolve(), source)
    # A number may not lead to a name that another file has by right.
    reserved = {source.stem.casefold() for source in wanted.values()}
    used: set[str] = set()
    sources = []
    for path, stem in wanted.values():
        unique, number = stem, 2
        if stem.casefold() in used:
            while unique.casefold() in reserved | used:
                unique, number = f"{stem}_{number}", number + 1
        used.add(unique.casefold())
        sources.append(Source(path, unique))
    return sources


def _sources_in(given: Path, suffixes: Sequence[str], leave_out: _PathLike | None) -> list[Source]:
    """Returns what one input stands for, with stems that may still collide."""
    if given.is_file():
        return [Source(given, given.stem)]
    if not given.is_dir():
        raise UserError(f"{given} does not exist.")
    sources = []
    results = None if leave_out is None else Path(leave_out).resolve()
    if results == given.resolve():
        results = None
    for path in sorted(given.rglob("*")):
        if results is not None and path.resolve().is_relative_to(results):
            continue
        relative = path.relative_to(given)
        hidden = any(part.startswith(".") for part in relative.parts)
        if not hidden and path.suffix.lower() in suffixes and path.is_file():
            sources.append(Source(path, relative.with_suffix("").as_posix()))
    if not sources:
        raise UserError(f"{given} holds no file that ends in {', '.join(suffixes)}.")
    return sources
