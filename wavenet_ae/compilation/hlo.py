"""What one device computes, moves and exchanges when it runs an optimised HLO module.

XLA's own cost analysis counts the body of a loop once, and arrays in on-chip memory as if they were
in HBM. Here a loop's body counts as often as it runs, and the memory space in an array's layout
says where it is.
"""

import collections
import dataclasses
import functools
import re
from collections.abc import Iterator

from wavenet_ae.compilation.flops import flops_of
from wavenet_ae.compilation.hlo_text import Array, Computation, Instruction, parse

COLLECTIVES = (
    "all-gather",
    "all-reduce",
    "all-to-all",
    "collective-broadcast",
    "collective-permute",
    "ragged-all-to-all",
    "reduce-scatter",
)

# They only name values, or are counted elsewhere.
_FREE = frozenset(
    [
        "add-dependency",
        "after-all",
        "bitcast",
        "call",
        "conditional",
        "constant",
        "get-tuple-element",
        "opt-barrier",
        "parameter",
        "partition-id",
        "replica-id",
        "tuple",
        "while",
    ]
)
# Slices that are put on chip side by side are one array without a copy.
_FREE_CALLS = ('custom_call_target="ConcatBitcast"', 'custom_call_target="AllocateBuffer"')
# They read no more of their first operand than they return.
_SLICES = ("dynamic-slice", "gather", "slice", "slice-start")
_UPDATE = "dynamic-update-slice"


@dataclasses.dataclass(frozen=True)
class Collective:
    """An exchange between devices.

    Attributes:
        kind: one of `COLLECTIVES`.
        arrays: what a device contributes.
        times: how often it runs.
    """

    kind: str
    arrays: tuple[Array, ...]
    times: int

    @property
    def num_bytes(self) -> int:
        """The bytes that a device contributes each time."""
        return sum(array.num_bytes for array in self.arrays)


class Module:
    """An optimised module, as `jax.stages.Compiled.as_text` prints it.

    Attributes:
        computations: by name.
        entry: the one that runs.
        unknown_loops: loops whose number of iterations is not in the text: they count once.
    """

    def __init__(self, text: str):
        self.computations, self.entry = parse(text)
        self.unknown_loops = 0
        self._times = self._count(self.entry)

    def _count(self, entry: str) -> dict[str, int]:
        """Returns how often each computation runs."""
        times: dict[str, int] = collections.Counter()
        pending = [(entry, 1)]
        while pending:
            name, number = pending.pop()
            times[name] += number
            for instruction in self.computations[name].values():
                inner = number
                if instruction.opcode == "while":
                    iterations = self._iterations(self.computations[name], instruction)
                    self.unknown_loops += iterations is None
                    inner *= iterations or 1
                pending += [(called, inner) for called in instruction.called]
        return times

    def _iterations(self, outside: Computation, loop: Instruction) -> int | None:
        """Returns how often a loop runs that counts up to a constant, as `jax.lax.scan`'s does."""
        if known := re.search(r'"known_trip_count":\{"n":"(\d+)"\}', loop.attributes):
            return int(known[1])
        condition = self.computations[loop.attribute("condition").lstrip("%")]
        test = condition.root
        if test.opcode != "compare" or test.attribute("direction") != "LT":
            return None
        counter, limit = condition.operands(test)
        if counter.opcode != "get-tuple-element" or limit.opcode != "constant":
            return None
        start = _source(outside, loop.operands[0], int(counter.attribute("index")))
        if start is None or start.opcode != "constant":
            return None
        return int(limit.inside) - int(start.inside)

    def _running(self) -> Iterator[tuple[Computation, Instruction, int]]:
        for name, times in self._times.items():
            computation = self.computations[name]
            for instruction in computation.values():
                yield computation, instruction, times

    @functools.cached_property
    def matrix_flops(self) -> int:
        """Floating-point operations of matrix products and convolutions, two per multiply-add.

        Those on padding or between dilated samples do not count.
        """
        return sum(
            times * flops_of(computation, instruction)
            for computation, instruction, times in self._running()
        )

    @functools.cached_property
    def hbm_bytes(self) -> int:
        """Bytes that all instructions read from and write to HBM, without the padding of tiles."""
        fused = {
            called
            for _, instruction, _ in self._running()
            if instruction.opcode not in ("call", "conditional", "while", "async-start")
            for called in instruction.called
        }
        return sum(
            times * sum(self._traffic(self.computations[name], i) for i in computation.values())
            for name, times in self._times.items()
            if name not in fused
            for computation in [self.computations[name]]
        )

    def _traffic(self, computation: Computation, instruction: Instruction) -> int:
        """Returns the bytes that one instruction moves from and to HBM."""
        opcode = instruction.opcode
        if opcode in _FREE or opcode.endswith("-done") or opcode == "async-start":
            return 0
        if any(call in instruction.attributes for call in _FREE_CALLS):
            return 0
        read = 0
        for index, operand in enumerate(computation.operands(instruction)):
            if any(array.in_hbm for array in operand.arrays):
                read += self._bytes_read(instruction, index, operand)
        return read + sum(a.num_bytes for a in self._written(instruction, computation) if a.in_hbm)

    def _bytes_read(self, user: Instruction, index: int, operand: Instruction) -> int:
        """Returns how much of its operand an instruction reads."""
        whole = sum(array.num_bytes for array in operand.arrays if array.in_hbm)
        if user.opcode == "fusion":
            body = self.computations[user.called[0]]
            return min(whole, self._bytes_read_of(body, body.parameters[index]))
        if index == 0 and user.opcode in _SLICES:
            return min(whole, _result(user)[0].num_bytes)
        if index == 0 and user.opcode == _UPDATE:
            return 0
        return whole

    def _bytes_read_of(self, body: Computation, value: Instruction) -> int:
        """Returns how much of a value the instructions of a fused computation read."""
        total = 0
        for user in body.users[value.name]:
            if user.opcode == "bitcast":
                total += self._bytes_read_of(body, user)
            elif user.opcode != "tuple":
                for index, name in enumerate(user.operands):
                    if name == value.name:
                        # The operand of the fusion itself says where it is.
                        hbm = dataclasses.replace(value, arrays=_as_hbm(value.arrays))
                        total += self._bytes_read(user, index, hbm)
        return total

    def _written(self, instruction: Instruction, computation: Computation) -> list[Array]:
        """Returns the arrays that are written: for an update in place, only the update."""
        if instruction.opcode == _UPDATE:
            update = computation[instruction.operands[1]].arrays[0]
            return [dataclasses.replace(update, in_hbm=instruction.arrays[0].in_hbm)]
        if instruction.opcode != "fusion":
            return _result(instruction)
        body = self.computations[instruction.called[0]]
        roots = body.operands(body.root) if body.root.opcode == "tuple" else [body.root]
        inner = [array for root in roots for array in self._written_inside(body, root)]
        return [
            dataclasses.replace(array, in_hbm=outer.in_hbm)
            for array, outer in zip(inner, instruction.arrays, strict=True)
        ]

    def _written_inside(self, body: Computation, value: Instruction) -> list[Array]:
        while value.opcode == "bitcast":
            value = body[value.operands[0]]
        if value.opcode in (_UPDATE, "fusion"):
            return self._written(value, body)
        return list(value.arrays)

    @functools.cached_property
    def collectives(self) -> list[Collective]:
        """All exchanges between devices, in the order of the text."""
        found = []
        for computation, instruction, times in self._running():
            kind = instruction.opcode.removesuffix("-start")
            if kind in COLLECTIVES:
                given = [a for o in computation.operands(instruction) for a in o.arrays]
                found.append(Collective(kind, tuple(given), times))
        return found

    def in_loops(self, *opcodes: str) -> collections.Counter[tuple[str, tuple[int, ...]]]:
        """Counts the instructions of these kinds inside loops by their result's type and shape."""
        inside, pending = set(), []
        for _, instruction, _ in self._running():
            if instruction.opcode == "while":
                pending += instruction.called
        while pending:
            name = pending.pop()
            if name not in inside:
                inside.add(name)
                pending += [c for i in self.computations[name].values() for c in i.called]
        return collections.Counter(
            (array.dtype, array.shape)
            for name in inside
            for instruction in self.computations[name].values()
            if instruction.opcode in opcodes
            for array in _result(instruction)
        )


def _source(computation: Computation, name: str, index: int) -> Instruction | None:
    """Follows an element of a tuple to the instruction that made it."""
    value = computation[name]
    if value.opcode != "tuple":
        return None
    value = computation[value.operands[index]]
    while value.opcode in ("bitcast", "copy"):
        value = computation[value.operands[0]]
    return value


def _result(instruction: Instruction) -> list[Array]:
    """Returns what is written: an asynchronous start's tuple also holds its operand and a flag."""
    if instruction.opcode == "copy-start":
        return [instruction.arrays[0]]
    if instruction.opcode == "slice-start":
        return [instruction.arrays[1]]
    return list(instruction.arrays)


def _as_hbm(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
    return tuple(dataclasses.replace(array, in_hbm=True) for array in arrays)
