"""The document on compiled programs: what they need and do."""

from collections.abc import Sequence
from typing import Any

from wavenet_ae.publish import document as doc

Row = dict[str, Any]

TRAINING_STEP = "training step"
SAMPLER = "sampler"

NOTICE = (
    "Computed from programs that were compiled for TPUs but not run: the times are floors, not "
    "measurements. A floor is the time that a chip's matrix units (at their bfloat16 peak) or its "
    "HBM (at full bandwidth) need for the program; a step or sample takes at least the longer one. "
    "Exchange between chips, elementwise work, on-chip memory and waiting come on top. All numbers "
    "except batch, sounds and samples/s are per chip."
)


def document(rows: Sequence[Row]) -> doc.Document:
    """Returns a table of the training steps, one of the samplers, and a card for each program.

    Args:
        rows: from `survey.compile_all`.
    """
    by_program = {
        program: [row for row in rows if row["program"] == program]
        for program in (TRAINING_STEP, SAMPLER)
    }
    tables = [_table(program, of_it) for program, of_it in by_program.items() if of_it]
    return doc.Document(
        "Programs compiled for TPU slices",
        (doc.Remark(NOTICE), *tables),
        (doc.Section("One by one", [card(row) for row in rows]),),
    )


def title(row: Row) -> str:
    """Names a row's program: `training step, batch 32, v5e:2x4`."""
    is_step = row["program"] == TRAINING_STEP
    size = f"batch {row['batch_size']}" if is_step else f"{row['num_sounds']} sounds"
    return f"{row['program']}, {size}, {row['topology']}"


def card(row: Row) -> doc.Card:
    """Returns the card of a row."""
    if "reason" in row:
        return doc.Card(title(row), (doc.Paragraph(row["reason"]),))
    is_step = row["program"] == TRAINING_STEP
    unit = "step" if is_step else "sample"
    memory, hbm = row["memory_bytes"], row["hbm_bytes_per_device"]
    kinds = ", ".join(f"{kind} {_gib(size)}" for kind, size in memory.items() if kind != "total")
    floors = ", ".join(f"{kind} {_time(floor)}" for kind, floor in row["floors_s"].items())
    facts = [
        ("compiled in", f"{row['compile_seconds']} s, for {row['num_devices']} devices"),
        ("memory", f"{_gib(memory['total'])} of {_gib(hbm)} GiB ({kinds})"),
        (f"a {unit}", f"{_short(row['flops'])}FLOP, {_short(row['hbm_bytes'])}B from and to HBM"),
        ("exchanged", _exchanged(row)),
        (f"floors of a {unit}, not measured", floors),
    ]
    if is_step:
        steps_a_day = 86_400 / _floor_s(row)
        most = f"{_short(steps_a_day).strip()} steps a day: {row['num_steps']:,} take "
        facts.append(("at most", f"{most}{24 * row['num_steps'] / steps_a_day:.2g} hours or more"))
    if row["unknown_loops"]:
        facts.append(("loops of unknown length, which count once", str(row["unknown_loops"])))
    return doc.Card(title(row), (doc.Facts(facts),))


def _exchanged(row: Row) -> str:
    """Returns the data exchanged between chips, by kind of exchange and type of numbers."""
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


def _table(program: str, rows: Sequence[Row]) -> doc.Table:
    is_step = program == TRAINING_STEP
    header = [
        *(("training step", "batch") if is_step else ("sampler, a sample", "sounds")),
        *("chips", "memory, GiB", "computes", "from and to HBM"),
        *(("exchanged",) if is_step else ()),
        *("floor: compute", "floor: HBM", "samples/s, at most", "compiled in"),
    ]
    return doc.Table(header, [_cells(row, is_step) for row in rows])


def _cells(row: Row, is_step: bool) -> list[str]:
    size = row["batch_size" if is_step else "num_sounds"]
    cells = [row["topology"], str(size), str(row["num_devices"])]
    if "reason" in row:
        return [*cells, row["reason"]]
    # Older files do not have the step's samples.
    samples = row.get("samples") if is_step else size
    return [
        *cells,
        f"{_gib(row['memory_bytes']['total'])} of {_gib(row['hbm_bytes_per_device'])}",
        f"{_short(row['flops'])}FLOP",
        f"{_short(row['hbm_bytes'])}B",
        *([f"{_short(_bytes_exchanged(row['collectives']))}B"] if is_step else []),
        *map(_time, row["floors_s"].values()),
        f"{samples / _floor_s(row):,.0f}" if samples else "-",
        f"{row['compile_seconds']} s",
    ]


def _floor_s(row: Row) -> float:
    """Returns the longest of a row's floors: of a step, or of a sample of all sounds."""
    return max(row["floors_s"].values())


def _gib(size: float) -> str:
    return f"{size / 2**30:.2f}"


def _short(value: float) -> str:
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix}"
    return f"{value:.0f} "


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"
