"""Files as disks and networks damage them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from wavenet_ae.system.errors import UserError


def load_damaged(path: Path, load: Callable[[], Any], count: int) -> tuple[list[Any], list[str]]:
    """Loads a file that is cut short and has one bit turned, in turns, in many places.

    Returns:
        What was loaded, and the messages where it was refused. In the end the file is whole.
    """
    rng, whole = np.random.default_rng(0), path.read_bytes()
    loaded, refused = [], []
    for number in range(count):
        place = int(rng.integers(len(whole)))
        turned = whole[place] ^ 1 << int(rng.integers(8))
        rest = b"" if number % 2 else bytes([turned]) + whole[place + 1 :]
        path.write_bytes(whole[:place] + rest)
        try:
            loaded.append(load())
        except UserError as error:
            refused.append(str(error))
    path.write_bytes(whole)
    return loaded, refused
