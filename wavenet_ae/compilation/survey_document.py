"""What compiled programs need and do, for people to read."""

import textwrap
from collections.abc import Sequence
from typing import Any

from wavenet_ae.publish import markdown

Row = dict[str, Any]

TRAINING_STEP = "training step"
SAMPLER = "sampler"

NOTICE = textwrap.fill(
    "Read off programs that were compiled for TPUs, and run on none: the times are floors, not "
    "measurements. A floor is what a chip's matrix units (at their bfloat16 peak) or its HBM (at "
    "full bandwidth) need for what the program does; a step or sample takes at least the longer "
    "one. Exchange between chips, elementwise work, on-chip memory and waiting come on top. All "
    "numbers but batch, sounds and samples/s are of one chip.",
    100,
)


def floor_s(row: Row) -> float:
    """Returns the longest of a row's floors: of a step, or of a sample of all sounds."""
    return max(row["floors_s"].values())


def steps_a_day(row: Row) -> float:
    """Returns how many steps a day there can be at most."""
    return 86_400 / floor_s(row)


def title(row: Row) -> str:
    """Names a row's program: `training step, batch 32, v5e:2x4`."""
    return f"{row['program']}, {_size(row)}, {row['topology']}"


def _size(row: Row) -> str:
    if row["program"] == TRAINING_STEP:
        return f"batch {row['batch_size']}"
    return f"{row['num_sounds']} sounds"


def paragraph(row: Row) -> str:
    """Returns all there is to say of a row, in a few lines."""
    if "reason" in row:
        return f"{title(row)}: {row['reason']}\n"
    memory, hbm = row["memory_bytes"], row["hbm_bytes_per_device"]
    kinds = ", ".join(f"{kind} {_gib(size)}" for kind, size in memory.items() if kind != "total")
    unit = "step" if row["program"] == TRAINING_STEP else "sample"
    floors = ", ".join(f"{kind} {_time(floor)}" for kind, floor in row["floors_s"].items())
    lines = [
        f"{title(row)}: compiled in {row['compile_seconds']} s for {row['num_devices']} devices",
        f"  memory: {_gib(memory['total'])} of {_gib(hbm)} GiB ({kinds})",
        f"  a {unit}: {_short(row['flops'])}FLOP, {_short(row['hbm_bytes'])}B from and to HBM",
        f"  exchanged: {_exchanged(row)}",
        f"  floors of a {unit}, not measured: {floors}",
    ]
    if row["program"] == TRAINING_STEP:
        hours = 24 * row["num_steps"] / steps_a_day(row)
        lines.append(
            f"  at most {_short(steps_a_day(row)).strip()} steps a day: {row['num_steps']:,} take "
            f"{hours:.2g} hours or more"
        )
    if row["unknown_loops"]:
        lines.append(f"  loops of unknown length, which count once: {row['unknown_loops']}")
    return "\n".join(lines) + "\n"


def _exchanged(row: Row) -> str:
    """Returns what goes between chips, by kind of exchange and type of numbers."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for collective in row["collectives"]:
        key = (collective["kind"], " and ".join(collective["dtypes"]))
        groups.setdefault(key, []).append(collective)
    parts = []
    for (kind, dtypes), group in groups.items():
        times, largest = sum(c["times"] for c in group), max(c["bytes"] for c in group)
        together = _short(_bytes_exchanged(group))
        parts.append(
            f"{times:g} x {kind} of {dtypes}, together {together}B (the largest {_short(largest)}B)"
        )
    return "; ".join(parts) or "nothing"


def _bytes_exchanged(collectives: Sequence[Row]) -> float:
    return sum(c["bytes"] * c["times"] for c in collectives)


def in_markdown(rows: Sequence[Row]) -> str:
    """Returns a table of the training steps and one of the samplers, with a notice."""
    parts = [NOTICE]
    work = ["memory, GiB", "computes", "from and to HBM"]
    floors = ["floor: compute", "floor: HBM"]
    rates = ["samples/s, at most", "compiled in"]
    steps, samplers = (
        [row for row in rows if row["program"] == program] for program in (TRAINING_STEP, SAMPLER)
    )
    if steps:
        head = [
            "training step",
            "batch",
            "chips",
            *work,
            "exchanged",
            *floors,
            *rates,
        ]
        parts.append(markdown.table(head, [_step_cells(row) for row in steps]))
    if samplers:
        head = ["sampler, a sample", "sounds", "chips", *work, *floors, *rates]
        parts.append(markdown.table(head, [_sampler_cells(row) for row in samplers]))
    return "\n\n".join(parts) + "\n"


def _step_cells(row: Row) -> list[str]:
    cells = [row["topology"], str(row["batch_size"]), str(row["num_devices"])]
    if "reason" in row:
        return [*cells, row["reason"]]
    exchanged = f"{_short(_bytes_exchanged(row['collectives']))}B"
    cells += [*_work_cells(row), exchanged, *map(_time, row["floors_s"].values())]
    return [*cells, *_rate_cells(row, row.get("samples"))]


def _sampler_cells(row: Row) -> list[str]:
    cells = [row["topology"], str(row["num_sounds"]), str(row["num_devices"])]
    if "reason" in row:
        return [*cells, row["reason"]]
    cells += [*_work_cells(row), *map(_time, row["floors_s"].values())]
    return [*cells, *_rate_cells(row, row["num_sounds"])]


def _rate_cells(row: Row, samples: int | None) -> list[str]:
    """Returns what the table of a machine has, too; older files do not have the samples."""
    return [f"{samples / floor_s(row):,.0f}" if samples else "-", f"{row['compile_seconds']} s"]


def _work_cells(row: Row) -> list[str]:
    memory = f"{_gib(row['memory_bytes']['total'])} of {_gib(row['hbm_bytes_per_device'])}"
    return [memory, f"{_short(row['flops'])}FLOP", f"{_short(row['hbm_bytes'])}B"]


def _gib(size: float) -> str:
    return f"{size / 2**30:.2f}"


def _short(value: float) -> str:
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}"
    return f"{value:.0f} "


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"
