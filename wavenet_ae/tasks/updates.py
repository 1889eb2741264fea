"""What a training step reads and changes: one update of all parameters, or several of some."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import jax

# Of parameters, model state and batch, with `train` and `key`, as `Task.loss`.
Loss = Callable[..., tuple[dict[str, jax.Array], Any]]
# What the batches of a task are made of; `training/batches.py` chooses by it.
Reads = Literal["notes", "domains", "performances"]


class Update(NamedTuple):
    """One update of a training step; those of a step follow each other on the same batch.

    Attributes:
        loss: scores a batch, as `Task.loss`; it gets all parameters, as the update before has left
            them. All updates of a step get the same key.
        objective: the name of the loss's metric that is minimised.
        groups: the names of the parameters' branches that change; None for all. Each update has
            the optimiser's moments of its own branches.
        learning_rate: a constant one in place of `config.optimizer`'s, or None.
        stacked: whether leaves have a leading axis, along which lie models of the same form.
    """

    loss: Loss
    objective: str = "loss"
    groups: tuple[str, ...] | None = None
    learning_rate: float | None = None
    stacked: tuple[str, ...] = ()

    def split(self, params: Any) -> tuple[Any, dict[str, Any]]:
        """Returns the branches that change, and the others."""
        if self.groups is None:
            return params, {}
        trained = {name: branch for name, branch in params.items() if name in self.groups}
        return trained, {name: params[name] for name in params.keys() - trained.keys()}

    def settings(self, optimizer: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the settings `config.optimizer` as this update has them."""
        if self.learning_rate is None:
            return dict(optimizer)
        return {**optimizer, "learning_rates": (self.learning_rate,), "boundaries": ()}


def joined(trained: Any, others: Mapping[str, Any]) -> Any:
    """Returns what `Update.split` has split."""
    return {**trained, **others} if others else trained
