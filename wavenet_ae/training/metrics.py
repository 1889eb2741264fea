"""The output of a run: `metrics.jsonl`, `timing.jsonl`, TensorBoard events and the progress bar."""

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, NamedTuple

import jax
import numpy as np
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tqdm import tqdm

from wavenet_ae.system import atomic_file, buckets
from wavenet_ae.system.buckets import Uploads
from wavenet_ae.system.errors import MachineError, UserError, write_error
from wavenet_ae.system.settings import is_url

METRICS_FILE = "metrics.jsonl"
# Apart from the metrics, which an interruption leaves bit for bit as they would have been.
TIMING_FILE = "timing.jsonl"
# Of a file of TensorBoard's events in a bucket, where it is written anew whenever it grows.
_PART_BYTES = 2**20


class MediaSummaries(NamedTuple):
    """Sounds and pictures of a moment of training.

    Attributes:
        audio: float32 `[samples]` by name.
        images: uint8 RGB `[height, width, 3]` by name.
        sample_rate_hz: of the sounds.
    """

    audio: Mapping[str, np.ndarray]
    images: Mapping[str, np.ndarray]
    sample_rate_hz: int


def read_metrics(workdir: Path, file: str = METRICS_FILE) -> list[dict[str, float]]:
    """Returns the lines of a run's metrics, or timing; a last line cut short is left out.

    Raises:
        UserError: another line is damaged.
    """
    path = workdir / file
    try:
        lines = path.read_text().split("\n") if path.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        if buckets.is_network_error(error) and is_url(path):
            raise
        raise UserError(f"{path} cannot be read ({error}): restore it from a copy.") from error
    metrics = []
    # What follows the last newline was cut short.
    for number, line in enumerate(lines[:-1], start=1):
        try:
            metrics.append(json.loads(line) | {})
            metrics[-1]["step"] + 0
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"line {number} of {path} is damaged: delete the line, or restore the file."
            ) from error
    return metrics


class ScalarLog(contextlib.AbstractContextManager):
    """Writes numbers by step to `metrics.jsonl` and to TensorBoard.

    Args:
        workdir: the folder, which may be in a bucket.
        uploads: of the folder where it writes to the workdir.
        kept_steps: lines of later steps are dropped.
        next_step: that will be written next; TensorBoard drops what it has of this and later ones.
    """

    def __init__(self, workdir: Path, uploads: Uploads, kept_steps: int, next_step: int):
        self._workdir, self._uploads = workdir, uploads
        self._metrics = _append_after(workdir, uploads.folder, METRICS_FILE, kept_steps)
        self._board = self._open_board()
        with _writing(Path(self._board._file_name)):
            started = SessionLog(status=SessionLog.START)
            self._board.write_event(Event(step=next_step, session_log=started))

    def __exit__(self, *exception) -> None:
        for file in (self._metrics, self._board):
            # Every line has been written, or its failure reported.
            with contextlib.suppress(OSError):
                file.close()

    def _open_board(self) -> EventsWriter:
        events = self._uploads.folder / "events"
        # One of an earlier run in the bucket may have begun in the same second.
        suffix = f".{time.time_ns()}" if is_url(self._workdir) else ""
        with _writing(events):
            # In this thread: tensorboardX's own would not report a full disk, and block later.
            return EventsWriter(str(events), suffix)

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Appends a line to `metrics.jsonl`, and writes it to TensorBoard."""
        _append(self._metrics, {"step": step, **scalars})
        self.add_event(step, *(summary.scalar(name, value) for name, value in scalars.items()))
        self._uploads.start()

    def add_event(self, step: int, *values: summary.Summary) -> None:
        """Writes to TensorBoard only."""
        with _writing(Path(self._board._file_name)):
            for value in values:
                self._board.write_event(Event(wall_time=time.time(), step=step, summary=value))
            self._board.flush()
            if is_url(self._workdir) and Path(self._board._file_name).stat().st_size > _PART_BYTES:
                self._board.close()  # which is then uploaded for the last time
                self._board = self._open_board()


class MetricsLog(contextlib.AbstractContextManager):
    """Writes a run's metrics; in processes other than the first it writes nothing.

    Args:
        workdir: the run's folder.
        uploads: of the folder where it writes to the workdir.
        first_step: updates done before; what an interrupted run logged after them is dropped,
            since it will be logged again.
        num_steps: of the whole run, for the progress bar.
        samples_per_step: of all processes, for the speed.
        owes_line: the line of `first_step` itself will be logged again, too.
    """

    def __init__(
        self,
        workdir: Path,
        uploads: Uploads,
        first_step: int,
        num_steps: int,
        samples_per_step: int,
        owes_line: bool = False,
    ):
        self._active = jax.process_index() == 0
        self._samples_per_step = samples_per_step
        self._timed_step, self._timed_since = first_step, time.monotonic()
        self._bar = tqdm(
            total=num_steps,
            initial=first_step,
            unit="step",
            desc="training",
            disable=not self._active,
            mininterval=1.0,
        )
        if self._active:
            kept = first_step - owes_line
            self._timing = _append_after(workdir, uploads.folder, TIMING_FILE, kept)
            self._log = ScalarLog(workdir, uploads, kept, first_step + 1)

    def __exit__(self, *exception) -> None:
        self._bar.close()
        if self._active:
            self._log.__exit__()
            with contextlib.suppress(OSError):
                self._timing.close()

    def progress(self, step: int) -> None:
        """Moves the progress bar."""
        self._bar.update(step - self._bar.n)

    @contextlib.contextmanager
    def clock_stopped(self) -> Iterator[None]:
        """Excludes the time of the block from the speed."""
        stopped = time.monotonic()
        yield
        self._timed_since += time.monotonic() - stopped

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Appends a line to `metrics.jsonl`, the speed to `timing.jsonl`, both to TensorBoard."""
        if not self._active:
            return
        self._log.write(step, scalars)
        shown = ("train/loss", "train/bits_per_sample", "valid/loss")
        postfix = {name: f"{scalars[name]:.3f}" for name in shown if name in scalars}
        self._bar.set_postfix(postfix, refresh=False)
        now = time.monotonic()
        samples = (step - self._timed_step) * self._samples_per_step
        if samples and now > self._timed_since:
            speed = samples / (now - self._timed_since)
            _append(self._timing, {"step": step, "samples_per_second": speed})
            self._log.add_event(step, summary.scalar("train/samples_per_second", speed))
        self._timed_step, self._timed_since = step, now

    def write_summaries(self, step: int, summaries: MediaSummaries) -> None:
        """Writes sounds and pictures to TensorBoard; for process 0 only."""
        for name, audio in summaries.audio.items():
            clipped = np.clip(audio, -1.0, 1.0)[:, None]
            self._log.add_event(step, summary.audio(name, clipped, summaries.sample_rate_hz))
        for name, image in summaries.images.items():
            self._log.add_event(step, summary.image(name, image, dataformats="HWC"))


def _append_after(workdir: Path, folder: Path, file: str, step: int) -> IO[str]:
    """Writes a workdir's lines up to a step to the folder, and opens the file for appending."""
    kept = [line for line in read_metrics(workdir, file) if line["step"] <= step]
    with atomic_file.replacing(folder / file) as temporary:
        temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))
    return (folder / file).open("a")


def _append(file: IO[str], line: Mapping[str, float]) -> None:
    with _writing(Path(file.name)):
        file.write(json.dumps(line, allow_nan=False) + "\n")
        file.flush()
        os.fsync(file.fileno())  # a mounted bucket keeps only what was synced


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MachineError(
            f"{write_error(path, error)} The same command resumes from the last checkpoint."
        ) from error
