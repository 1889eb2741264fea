"""The progress of a training, and what is due after a step."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

from wavenet_ae.system.errors import UserError


class Due(NamedTuple):
    """What is due after a step.

    Attributes:
        log: a line of the log.
        evaluate: the scores of the validation split, which are part of such a line.
        save: a checkpoint.
        summarize: sounds and pictures.
    """

    log: bool
    evaluate: bool
    save: bool
    summarize: bool


def due_after(step: int, config: Mapping[str, Any]) -> Due:
    """Returns what is due after a step; everything is after the last."""
    last = step == config["num_steps"]

    def every(name: str) -> bool:
        return config[name] > 0 and (last or step % config[name] == 0)

    evaluate = every("eval_every_steps")
    return Due(
        log=evaluate or every("log_every_steps"),
        evaluate=evaluate,
        save=every("checkpoint_every_steps"),
        summarize=every("summarize_every_steps"),
    )


@dataclasses.dataclass
class Progress:
    """The progress of a run, which a checkpoint keeps beside the training state.

    Attributes:
        step: updates done; it is also the position in the data, whose order depends on the seed
            and the step only.
        pending: metrics of the last steps that are not in the log yet: scalars on the device, and
            after `fetch` on the host; empty where a step was skipped.
        skipped: steps of the whole run that were skipped.
        owes_evaluation: a stop interrupted the evaluation after this step.
        owed_line: the step whose log line is to be written once the next step is dispatched, so
            that the device need not wait for the host; or None.
    """

    step: int = 0
    pending: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    skipped: int = 0
    owes_evaluation: bool = False
    owed_line: int | None = None

    def advance(self, metrics: dict[str, jax.Array]) -> None:
        """Counts a step, whose metrics may not be computed yet."""
        self.step += 1
        self.pending.append(metrics)

    def fetch(self, most_skipped: int) -> None:
        """Brings the pending metrics to the host.

        Args:
            most_skipped: steps of the whole run that may be skipped.

        Raises:
            UserError: a loss or a norm is not finite: the weights are lost, and must not be saved;
                or too many steps were skipped.
        """
        first = self.step - len(self.pending) + 1
        fetched = jax.device_get(self.pending)
        self.pending = [{k: float(v) for k, v in metrics.items()} for metrics in fetched]
        for step, metrics in enumerate(self.pending, start=first):
            self._check(step, metrics, most_skipped)

    def _check(self, step: int, metrics: dict[str, float], most_skipped: int) -> None:
        if metrics.pop("skipped", 0):
            metrics.clear()
            self.skipped += 1
            if self.skipped > most_skipped:
                raise UserError(
                    f"{self.skipped} steps up to step {step} had a gradient that is not finite or "
                    f"too large, and --config.max_skipped_steps={most_skipped}: lower "
                    "--config.optimizer.learning_rates or raise the limit; the same command "
                    "resumes from the last checkpoint."
                )
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise UserError(
                    f"the {name} is {value} at step {step}: lower "
                    "--config.optimizer.learning_rates, set --config.optimizer.clip_norm, or let "
                    "some steps be skipped with --config.max_skipped_steps=10; the same command "
                    "resumes from the last checkpoint."
                )

    def take_line(self, step: int, most_skipped: int) -> dict[str, float]:
        """Returns the means over the pending steps up to this one that were not skipped.

        Args:
            step: of the line; its steps are no longer pending.
            most_skipped: as in `fetch`; above 0, `train/skipped` is in the line.

        Raises:
            UserError: as `fetch`.
        """
        later = self.step - step
        of_line = Progress(step, self.pending[: len(self.pending) - later], self.skipped)
        self.pending = self.pending[len(self.pending) - later :]
        of_line.fetch(most_skipped)
        self.skipped = of_line.skipped
        kept = [metrics for metrics in of_line.pending if metrics]
        line = {
            f"train/{name}": math.fsum(metrics[name] for metrics in kept) / len(kept)
            for name in (kept[0] if kept else ())
        }
        return line | ({"train/skipped": self.skipped} if most_skipped else {})

    def metadata(self) -> dict[str, Any]:
        """Returns what a checkpoint keeps; the pending metrics must have been fetched."""
        return {
            "step": self.step,
            "pending": list(self.pending),
            "skipped": self.skipped,
            "owes_evaluation": self.owes_evaluation,
        }
