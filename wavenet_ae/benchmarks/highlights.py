"""The rows of the accelerator's table for each benchmark, by the benchmark's task.

These read JSON and import no benchmark, so that a missing library of one does not stop the others.
"""

from collections.abc import Mapping
from typing import Any

Fact = tuple[str, str]  # what, and how much of it


def _training(found: Mapping[str, Any]) -> list[Fact]:
    """Returns the rate of a training step, its share of the device, and its memory."""
    memory = found["peak_memory_bytes"]
    size = memory["device"] or memory["program"] or memory["resident"]
    shape = f"{found['batch_size']} x {found['samples_per_example']}, {found['computation']}"
    return [
        (f"samples/s ({shape})", f"{found['samples_per_s']['median']:,.0f}"),
        ("ms a step", f"{found['step_ms']['median']:.4g}"),
        ("share of the matrix rate", f"{found['share_of_matrix_ceiling']:.3f}"),
        ("matrix rate, TFLOP/s", f"{found['matrix_flop_per_s']['median'] / 1e12:.4g}"),
        ("peak memory, GiB", f"{size / 2**30:.2f}"),
        ("compiled in, s", f"{found['compile_s']:.0f}"),
    ]


def _sampling(found: Mapping[str, Any]) -> list[Fact]:
    """Returns the rates of generation, and their share of the memory's limit."""
    facts = []
    for batch in found["batches"]:
        steps = batch["steps_per_s"]["median"]
        floor = batch["ceilings_samples_per_s"]["memory"] / batch["num_sounds"]
        facts += [
            ("steps/s", f"{steps:,.0f}"),
            # Above 1 where a cache holds the weights.
            ("share of the floor (weights read once a step)", f"{steps / floor:.3f}"),
            ("samples/s in total", f"{batch['samples_per_s']['median']:,.0f}"),
        ]
    return facts


def _transposed(found: Mapping[str, Any]) -> list[Fact]:
    """Returns the times of both algorithms of transposed convolutions."""
    return [
        (f"{algorithm.replace('_', ' ')}, ms forth and back", f"{spread['median']:.4g}")
        for algorithm, spread in found["ms"].items()
    ]


def _griffin_lim(found: Mapping[str, Any]) -> list[Fact]:
    """Returns the rate of Griffin-Lim, and its ratio to librosa's."""
    sizes = f"{found['batch_size']} notes, {found['iterations']} iterations"
    return [
        (f"notes/s ({sizes})", f"{found['notes_per_s']['ours']['median']:.4g}"),
        ("times librosa's", f"{found['ratio']:.3g}"),
    ]


BY_TASK = {
    "train": _training,
    "sample": _sampling,
    "transposed": _transposed,
    "griffin_lim": _griffin_lim,
}
