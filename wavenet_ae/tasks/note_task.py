"""What all tasks share that learn from notes by one update a step."""

from collections.abc import Mapping
from typing import Any, ClassVar

from wavenet_ae.data import nsynth
from wavenet_ae.tasks.updates import Reads, Update


class NoteTask:
    """A base of tasks: the members of `Task` that are the same for each of them.

    A subclass has `loss` and `crop_samples`.
    """

    reads: ClassVar[Reads] = "notes"
    batch_multiple: ClassVar[int] = 1
    may_differ: ClassVar[tuple[str, ...]] = ()

    @property
    def updates(self) -> tuple[Update, ...]:
        """One update of all parameters, by the gradient of `loss`."""
        return (Update(self.loss),)

    def batch_arrays(
        self, batch_size: int, dataset: Mapping[str, Any]
    ) -> dict[str, tuple[tuple[int, ...], type]]:
        """Describes a batch: see `nsynth.batch_arrays`."""
        return nsynth.batch_arrays(
            batch_size,
            self.crop_samples or nsynth.NOTE_SAMPLES,
            decoder_input_noise=dataset["decoder_input_noise"] > 0,
        )

    def start_params(self, params: Any, theirs: Any) -> Any:
        """Returns the other run's parameters: all of them."""
        return theirs
