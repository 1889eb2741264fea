"""Stopping a run cleanly when it receives a signal."""

import contextlib
import signal
from collections.abc import Iterator

from jax.sharding import Mesh

from wavenet_ae.training.agreement import Agreement


class StopRequest(contextlib.AbstractContextManager):
    """Turns the first SIGINT or SIGTERM into a request; a second one ends the process at once.

    Args:
        mesh: all devices of all processes, which stop together.

    Attributes:
        received: the signal, or None.
        agreed: whether `is_made` has returned that a process was asked to stop.
    """

    def __init__(self, mesh: Mesh):
        self.received: signal.Signals | None = None
        self.agreed = False
        self._agreement = Agreement(mesh)
        self._previous = {}
        self._interruptible = False

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *exception) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def is_made(self) -> bool:
        """Returns whether to stop now: the same in all processes, which call it equally often."""
        self.agreed = self._agreement.any_process(self.received is not None)
        return self.agreed

    def reason(self) -> str:
        """Returns why the run stops."""
        return self.received.name if self.received else "a process was asked to stop"

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Leaves the block as soon as the signal arrives: for work that need not be finished."""
        self._interruptible = True
        try:
            yield
        except KeyboardInterrupt:
            if self.received is None:
                raise
        finally:
            self._interruptible = False

    def _receive(self, number: int, frame: object) -> None:
        self.received = signal.Signals(number)
        for again in self._previous:
            signal.signal(again, signal.SIG_DFL)
        if self._interruptible:
            raise KeyboardInterrupt
