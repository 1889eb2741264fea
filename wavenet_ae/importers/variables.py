"""The variables of a checkpoint, each to be taken once."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from wavenet_ae.system.errors import UserError


class Variables:
    """Returns variables and records which were used, to report all problems at once.

    Args:
        prefix: the checkpoint's, for messages.
        arrays: its variables by name.
    """

    def __init__(self, prefix: Path, arrays: Mapping[str, np.ndarray]):
        self.arrays = arrays
        self._prefix = prefix
        self._used: set[str] = set()
        self._missing: list[str] = []
        self._wrong: list[str] = []

    def require(self, names: Iterable[str]) -> None:
        """Raises a UserError where some of these are missing."""
        missing = [name for name in names if name not in self.arrays]
        if missing:
            raise UserError(sentence(self._prefix, "lacks", missing))

    def length(self, name: str, axis: int = -1) -> int:
        """Returns an axis' length, or 0 where there is no such axis: `take` will name it."""
        shape = self.arrays[name].shape
        return int(shape[axis]) if -len(shape) <= axis < len(shape) else 0

    def skip(self, *names: str) -> None:
        """Marks variables that the model does not use, whether they exist or not."""
        self._used.update(names)

    def take(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Returns a variable as float32, or zeros where `check` is going to fail."""
        self._used.add(name)
        if name not in self.arrays:
            self._missing.append(name)
        elif self.arrays[name].shape != shape:
            found = list(self.arrays[name].shape)
            self._wrong.append(f"{name} {found} instead of {list(shape)}")
        else:
            return self.arrays[name].astype(np.float32)
        return np.zeros(shape, np.float32)

    def check(self) -> None:
        """Raises a UserError that names what is missing, wrongly shaped or left over."""
        left_over = sorted(self.arrays.keys() - self._used)
        problems = [
            sentence(self._prefix, verb, names)
            for verb, names in (
                ("lacks", self._missing),
                ("has wrongly shaped", self._wrong),
                ("has more than the model:", left_over),
            )
            if names
        ]
        if problems:
            raise UserError(" ".join(problems))


def sentence(prefix: Path, verb: str, names: Iterable[str]) -> str:
    """Returns a sentence about a checkpoint's variables."""
    return f"The checkpoint {prefix} {verb} {', '.join(names)}."
