"""Sound files of any format → 16 kHz mono float32, and back.

libsndfile (soundfile) reads the formats, soxr converts the rates; full-scale integers become ±1.
Incomplete files are refused.
"""

import contextlib
import io
import os
import sys
import types
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import soundfile
import soxr
from tqdm import tqdm

from wavenet_ae.audio import containers
from wavenet_ae.audio.damage import DamageError
from wavenet_ae.system import atomic_file
from wavenet_ae.system.counting import count
from wavenet_ae.system.errors import UserError

SAMPLE_RATE_HZ = 16_000
# What all tools look for in folders. The last two lines are sounds that libsndfile does not read:
# refused, not skipped.
SUFFIXES = (
    *(".aif", ".aifc", ".aiff", ".au", ".bwf", ".caf", ".flac", ".mp2", ".mp3", ".oga", ".ogg"),
    *(".opus", ".rf64", ".snd", ".w64", ".wav", ".wave"),
    *(".aac", ".ac3", ".amr", ".ape", ".dff", ".dsf", ".m4a", ".mka", ".mpc", ".spx"),
    *(".tta", ".wma", ".wv"),
)

_RATES_HZ = range(1_000, 1_000_001)
_PIECE = 1 << 20  # samples
_CANCELLED = 0.1  # of the channels' level: their mean is 20 dB weaker

_PathLike = str | os.PathLike[str]


class AudioFileError(UserError):
    """A sound file that cannot be read; the message names it and the reason."""


def load(path: _PathLike) -> np.ndarray:
    """Reads a sound file of any format, rate, width and number of channels.

    Args:
        path: WAV, FLAC, AIFF, OGG or any other format that libsndfile reads.

    Returns:
        float32 [samples] at 16 kHz, the mean of the channels, at least one sample. 16-bit mono
        files at 16 kHz come out as exactly integer / 32768. Float files (and resampled ones) may
        exceed ±1; they are not clipped here, mu-law coding clips them.

    Raises:
        AudioFileError: the file is missing, empty, not a sound file, incomplete, damaged, or
            holds NaN or infinity.
    """
    path = Path(path)
    channels, rate_hz = _decode(path, _read(path))
    if not len(channels):
        raise AudioFileError(f"{path} holds no samples.")
    if not np.isfinite(channels).all():
        raise AudioFileError(f"{path} holds samples that are NaN or infinite.")
    if rate_hz not in _RATES_HZ:
        raise AudioFileError(f"{path} has an impossible sample rate, {rate_hz:,} Hz.")
    audio = channels.mean(axis=1)
    level = np.linalg.norm(channels) / channels.shape[1] ** 0.5
    if np.linalg.norm(audio) < _CANCELLED * level:
        tqdm.write(
            f"{path}: its channels cancel each other out, and their mean, which is used, is far "
            "quieter than either channel: save one channel as a mono file and use that",
            file=sys.stderr,
        )
    return _resample(audio, rate_hz)


def _read(path: Path) -> bytes:
    """Returns a file's content."""
    try:
        if path.is_dir():
            raise AudioFileError(f"{path} is a folder, not a sound file.")
        content = path.read_bytes()
    except FileNotFoundError:
        raise AudioFileError(f"{path} does not exist.") from None
    except OSError as error:
        raise AudioFileError(f"{path} cannot be read: {error.strerror}.") from error
    if not content:
        raise AudioFileError(f"{path} is an empty file.")
    return content


def _decode(path: Path, content: bytes) -> tuple[np.ndarray, int]:
    """Returns a complete file's float32 [samples, channels] and their rate in Hz."""
    try:
        checked = containers.checked(content)
        # libsndfile recognises some formats without a header by their suffix.
        with soundfile.SoundFile(path if checked is content else io.BytesIO(checked)) as file:
            # In pieces: a damaged header may promise more than any memory holds.
            channels = np.concatenate([np.zeros((0, file.channels), np.float32), *_pieces(file)])
            if len(channels) < file.frames:
                raise DamageError(
                    f"breaks off: it promises {file.frames:,} samples, and {len(channels):,} follow"
                )
        containers.check_flac(checked, channels)
    except DamageError as error:
        raise AudioFileError(
            f"{path} {error}: get or export it again, or save what is left of it as another file "
            "(`ffmpeg -i DAMAGED NEW.wav`)."
        ) from error
    except soundfile.SoundFileError as error:
        if content.startswith(b"MThd"):
            raise AudioFileError(
                f"{path} is a MIDI file, not a sound: wavenet-ae perform plays those."
            ) from error
        reason = getattr(error, "error_string", str(error)).rstrip(".")
        raise AudioFileError(
            f"{path} is not a sound file that can be read ({reason}): convert it to WAV or FLAC."
        ) from error
    except UnicodeEncodeError as error:  # from an archive in another encoding
        raise AudioFileError(f"{path} has a name that is not UTF-8: rename it.") from error
    except TypeError as error:  # a headerless format, known by its suffix alone
        raise AudioFileError(f"{path} has no header; convert it to WAV.") from error
    return channels, file.samplerate


def _pieces(file: soundfile.SoundFile) -> Iterator[np.ndarray]:
    try:
        while len(piece := file.read(_PIECE, dtype="float32", always_2d=True)):
            yield piece
    except soundfile.SoundFileError as error:  # of FLAC, without a reason
        raise DamageError("breaks off or is damaged") from error


def _resample(audio: np.ndarray, rate_hz: int) -> np.ndarray:
    """Brings float32 [samples] from `rate_hz` to 16 kHz."""
    if rate_hz == SAMPLE_RATE_HZ:
        return audio
    resampled = soxr.resample(audio, rate_hz, SAMPLE_RATE_HZ, quality="HQ")
    if not len(resampled):  # less than half a sample at 16 kHz: pad it with silence
        padded = np.pad(audio, (0, rate_hz // SAMPLE_RATE_HZ + 1))
        resampled = soxr.resample(padded, rate_hz, SAMPLE_RATE_HZ, quality="HQ")[:1]
    return resampled


def save(path: _PathLike, audio: np.ndarray) -> None:
    """Writes a 16-bit mono WAV file at 16 kHz, completely or not at all.

    Args:
        path: the file; its folders are created, an older file is replaced.
        audio: float [samples] in [-1, 1); rounded to the nearest of 65,536 levels, clipped.

    Raises:
        UserError: the file cannot be written.
        ValueError: `audio` is not [samples], or holds NaN or infinity.
    """
    with Writer(path) as writer:
        writer.write(audio)


class Writer:
    """Writes a 16-bit mono WAV file at 16 kHz in pieces.

    A context manager, like `atomic_file.replacing`.

    Raises:
        UserError: the file cannot be written.
    """

    def __init__(self, path: _PathLike):
        self._path = Path(path)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opened:
            temporary = opened.enter_context(atomic_file.replacing(self._path))
            file = opened.enter_context(temporary.open("wb"))
            self._wave = opened.enter_context(wave.open(file, "wb"))
            self._wave.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
            self._opened = opened.pop_all()
        return self

    def write(self, chunk: np.ndarray) -> None:
        """Appends samples.

        Args:
            chunk: float [samples] in [-1, 1); rounded and clipped.

        Raises:
            ValueError: `chunk` is not [samples], or holds NaN or infinity.
        """
        chunk = np.asarray(chunk)
        if chunk.ndim != 1 or not np.issubdtype(chunk.dtype, np.floating):
            raise ValueError(f"expected float [samples], got {chunk.dtype} {list(chunk.shape)}")
        if not np.isfinite(chunk).all():
            raise ValueError("the audio holds NaN or infinity")
        levels = np.clip(np.rint(chunk.astype(np.float64) * 32768), -32768, 32767)
        self._wave.writeframesraw(levels.astype(np.int16).tobytes())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self._opened.__exit__(kind, error, traceback)


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
    *,
    quiet: bool = False,
) -> list[Source]:
    """Lists the input files; reports on standard error how many others are skipped.

    Args:
        inputs: files and folders. A file is taken whatever its suffix; a folder is searched
            recursively, through links too, for files with one of the suffixes, except hidden
            ones. A file that is found twice is listed once.
        suffixes: the endings to look for in folders, in lower case, like ".wav".
        leave_out: a folder inside another that is not searched: that of results, which are not
            inputs of the next call.
        quiet: do not report the others.

    Returns:
        The files, in the order of the inputs and sorted within a folder, each with a unique
        output stem: the path within the folder, so that sub-folders are kept, or the
        name of a file given as such. Where two would be equal (`x.wav` and `x.flac`) the later
        gets a number (`x_2`, or the next that is free). Letter case makes no difference, as not
        every file system sees one.

    Raises:
        UserError: an input does not exist, or a folder holds no such file or cannot be read.
    """
    if not inputs:
        raise UserError("There is no input: name a file or a folder.")
    wanted: dict[Path, Source] = {}
    for given in map(Path, inputs):
        for source in _sources_in(given, suffixes, leave_out, quiet):
            wanted.setdefault(source.path.resolve(), source)
    # A numbered name must not be another file's own name.
    reserved = {source.stem.casefold() for source in wanted.values()}
    used: set[str] = set()
    sources = []
    for path, stem in wanted.values():
        unique, number = stem, 2
        if stem.casefold() in used:
            while (key := unique.casefold()) in reserved or key in used:
                unique, number = f"{stem}_{number}", number + 1
        used.add(unique.casefold())
        sources.append(Source(path, unique))
    return sources


def _sources_in(
    given: Path, suffixes: Sequence[str], leave_out: _PathLike | None, quiet: bool
) -> list[Source]:
    """Returns the files of one input, with stems that may still collide."""
    if given.is_file():
        return [Source(given, given.stem)]
    if not given.is_dir():
        raise UserError(f"{given} does not exist.")
    found = files_below(given, leave_out)
    sources = [
        Source(path, path.relative_to(given).with_suffix("").as_posix())
        for path in found
        if path.suffix.lower() in suffixes
    ]
    others = len(found) - len(sources)
    if sources and others and not quiet:
        kinds = sorted({path.suffix.lower() or path.name for path in found}.difference(suffixes))
        shown = ", ".join(kinds[:6])
        tqdm.write(f"{given}: skipped {count(others, 'other file')} ({shown})", file=sys.stderr)
    if not sources:
        kinds = [suffix for suffix in suffixes if suffix not in SUFFIXES]
        if len(kinds) < len(suffixes):
            kinds.insert(0, "WAV, FLAC, AIFF, OGG, MP3")
        raise UserError(
            f"{given} holds no files of these kinds: {', '.join(kinds)}. Name another folder."
        )
    return sources


def files_below(folder: Path, leave_out: _PathLike | None = None) -> list[Path]:
    """Lists all files below a folder, through links too, except hidden ones.

    Args:
        folder: which exists.
        leave_out: a folder that is not searched, unless it is `folder`.

    Raises:
        UserError: a folder cannot be read.
    """
    seen = {None if leave_out is None else os.path.realpath(leave_out)}  # or cycles of links
    seen.discard(os.path.realpath(folder))

    def fail(error: OSError) -> None:
        raise UserError(f"{error.filename} cannot be read: {error.strerror}.") from error

    found = []
    for parent, folders, names in os.walk(folder, onerror=fail, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(found)
