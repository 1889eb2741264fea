"""What a run tells: `metrics.jsonl`, TensorBoard events and the progress bar."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import tensorboardX
from tqdm import tqdm

from wavenet_ae import atomic_file
from wavenet_ae.errors import UserError

METRICS_FILE = "metrics.jsonl"


class Summaries(NamedTuple):
    """Sounds and pictures of a moment of training.

    Attributes:
        audio: float32 `[samples]` by name.
        images: uint8 RGB `[height, width, 3]` by name.
        sample_rate_hz: of the sounds.
    """

    audio: Mapping[str, np.ndarray]
    images: Mapping[str, np.ndarray]
    sample_rate_hz: int


def read_metrics(workdir: Path) -> list[dict[str, float]]:
    """Returns the lines of a run's `metrics.jsonl`; a last line cut short is left out.

    Raises:
        UserError: another line is damaged.
    """
    path = workdir / METRICS_FILE
    lines = path.read_text().split("\n") if path.exists() else []
    metrics = []
    # What follows the last newline was cut short.
    for number, line in enumerate(lines[:-1], start=1):
        try:
            metrics.append(json.loads(line) | {})
        except (ValueError, TypeError) as error:
            raise UserError(
                f"line {number} of {path} is damaged: delete the line, or restore the file."
            ) from error
    return metrics


class MetricsLog(contextlib.AbstractContextManager):
    """Writes a run's metrics; in processes other than the first it writes nothing.

    Args:
        workdir: the run's folder.
        first_step: updates done before; what an interrupted run logged after them is dropped,
            since it will be logged again.
        num_steps: of the whole run, for the progress bar.
    """

    def __init__(self, workdir: Path, first_step: int, num_steps: int):
        self._active = jax.process_index() == 0
        self._bar = tqdm(
            total=num_steps,
            initial=first_step,
            unit="step",
            desc="training",
            disable=not self._active,
            mininterval=1.0,
        )
        if not self._active:
            return
        path = workdir / METRICS_FILE
        kept = [line for line in read_metrics(workdir) if line["step"] <= first_step]
        with atomic_file.replacing(path) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))
        self._file = path.open("a")
        self._board = tensorboardX.SummaryWriter(str(workdir), purge_step=first_step + 1)

    def __exit__(self, *exception) -> None:
        self._bar.close()
        if self._active:
            self._file.close()
            self._board.close()

    def progress(self, step: int) -> None:
        """Moves the progress bar."""
        self._bar.update(step - self._bar.n)

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Appends a line to `metrics.jsonl` and the same scalars to TensorBoard."""
        if not self._active:
            return
        self._file.write(json.dumps({"step": step, **scalars}, allow_nan=False) + "\n")
        self._file.flush()
        for name, value in scalars.items():
            self._board.add_scalar(name, value, step)
        shown = ("train/loss", "train/bits_per_sample", "valid/loss")
        postfix = {name: f"{scalars[name]:.3f}" for name in shown if name in scalars}
        self._bar.set_postfix(postfix, refresh=False)

    def write_summaries(self, step: int, summaries: Summaries) -> None:
        """Writes sounds and pictures to TensorBoard; for the first process alone."""
        for name, audio in summaries.audio.items():
            clipped = np.clip(audio, -1.0, 1.0)[:, None]
            self._board.add_audio(name, clipped, step, sample_rate=summaries.sample_rate_hz)
        for name, image in summaries.images.items():
            self._board.add_image(name, image, step, dataformats="HWC")
