"""Which of many names are held out of training: the same at every call and on every machine."""

import hashlib
from collections.abc import Iterable

from wavenet_ae.data import nsynth
from wavenet_ae.system.errors import UserError

_FRACTION = 0.1  # for each of valid and test


def assign(names: Iterable[str], what: str, where: str, remedy: str = "add more") -> dict[str, str]:
    """Assigns a split to each name: a tenth each to valid and test, at least one, else train.

    Args:
        names: each once.
        what: they name, in the plural, for the error.
        where: they are, for the error.
        remedy: for the error.

    Raises:
        UserError: they are too few.
    """
    # A random order that, unlike that of Python's hash(), is always the same.
    ordered = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
    if len(ordered) < len(nsynth.SPLITS):
        raise UserError(
            f"{where} holds {len(ordered)} {what}, too few for train, valid and test: {remedy}."
        )
    num_held_out = max(1, round(_FRACTION * len(ordered)))
    splits = ["test"] * num_held_out + ["valid"] * num_held_out
    splits += ["train"] * (len(ordered) - len(splits))
    return dict(zip(ordered, splits, strict=True))
