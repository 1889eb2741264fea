"""Ending a run in good order when it is asked to stop."""

import contextlib
import signal
from collections.abc import Iterator


class StopRequest(contextlib.AbstractContextManager):
    """Turns the first SIGINT or SIGTERM into a flag; a second one ends the process at once.

    Attributes:
        received: the signal, or None.
    """

    def __init__(self):
        self.received: signal.Signals | None = None
        self._previous = {}
        self._abandoning = False

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *exception) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def abandoning(self) -> Iterator[None]:
        """Leaves the block as soon as the signal comes: for work that need not be finished."""
        self._abandoning = True
        try:
            yield
        except KeyboardInterrupt:
            if self.received is None:
                raise
        finally:
            self._abandoning = False

    def _receive(self, number: int, frame: object) -> None:
        self.received = signal.Signals(number)
        for again in self._previous:
            signal.signal(again, signal.SIG_DFL)
        if self._abandoning:
            raise KeyboardInterrupt
