"""Recordings of any length, brought to 16 kHz mono and cut into pieces."""

import collections
import concurrent.futures
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import soundfile

from wavenet_ae.audio import files
from wavenet_ae.prepare import note_files
from wavenet_ae.system import worker_pool
from wavenet_ae.system.errors import UserError

# A crop is taken from one piece, and all of the piece is read for it: longer ones cost time, and
# shorter ones lose more of the places where a crop would lie across a cut.
MOST_SAMPLES = 8 * files.SAMPLE_RATE_HZ

_Source, _Loaded = TypeVar("_Source"), TypeVar("_Loaded")

_STEPS = 32768  # of 16 bits, from 0 to full scale


def read_ahead(
    sources: Sequence[_Source], load: Callable[[_Source], _Loaded]
) -> Iterator[tuple[_Source, _Loaded]]:
    """Yields what is to be read in its order, each with what `load` returns, one a core at a time.

    Raises:
        UserError: of `load`.
    """
    ahead = worker_pool.num_cores()
    pending: collections.deque[tuple[_Source, concurrent.futures.Future[_Loaded]]]
    pending = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(ahead) as pool:
        try:
            for source in sources:
                pending.append((source, pool.submit(load, source)))
                if len(pending) == ahead:
                    first, loaded = pending.popleft()
                    yield first, loaded.result()
            while pending:
                first, loaded = pending.popleft()
                yield first, loaded.result()
        finally:  # after an error or an interruption, the others need not be read
            pool.shutdown(wait=False, cancel_futures=True)


def load(path: Path) -> np.ndarray:
    """Reads a recording.

    Returns:
        int16 `[samples]` at 16 kHz, the mean of the channels. What swings beyond full scale, as a
        clipped master does that is resampled, is made quieter as a whole.

    Raises:
        UserError: the file cannot be read, or is silent.
    """
    audio = files.load(path)
    peak = float(np.abs(audio).max())
    if peak <= note_files.SILENT_PEAK:
        raise UserError(f"{path} is silent throughout: leave it out.")
    gain = min(1.0, (_STEPS - 1) / (peak * _STEPS))
    return np.rint(audio * np.float32(gain * _STEPS)).astype(np.int16)


def cut(audio: np.ndarray) -> list[np.ndarray]:
    """Cuts `[samples]` into as few pieces of equal length as MOST_SAMPLES allows.

    They differ by at most one sample; those of a longer sound have at least half of MOST_SAMPLES.
    """
    return np.array_split(audio, -(-len(audio) // MOST_SAMPLES))


def estimated_seconds(path: Path) -> float:
    """Returns a file's duration by its header, 0 where that does not tell."""
    try:
        return float(soundfile.info(path).duration)
    except (soundfile.SoundFileError, TypeError, UnicodeEncodeError):
        return 0.0  # reading it will say what is wrong
