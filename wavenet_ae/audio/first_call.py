"""First calls of functions that numba compiles, such as librosa's."""

import functools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from wavenet_ae.system import locks

_P, _R = ParamSpec("_P"), TypeVar("_R")


def exclusive(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Lets one process at a time make its first call of a function that numba compiles.

    Numba keeps on disk what it has compiled. Several processes that compiled on a fresh machine at
    the same time left files there with which all later ones ended in segmentation faults.
    """
    compiled = False

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        nonlocal compiled
        if compiled:
            return function(*args, **kwargs)
        path = Path(tempfile.gettempdir()) / f"wavenet_ae-numba-{os.getuid()}.lock"
        with path.open("a") as file:
            locks.lock(file, wait=True)
            result = function(*args, **kwargs)
        compiled = True
        return result

    return call
