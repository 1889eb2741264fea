"""Reads the text of an optimised HLO module: what one device computes, moves and exchanges.

XLA's own cost analysis counts the body of a loop once, and arrays in on-chip memory as if they were
in HBM. Here a loop's body counts as often as it runs, and the memory space in an array's layout
tells where it is. The operations are those of https://openxla.org/xla/operation_semantics.
"""

import collections
import dataclasses
import functools
import math
import re
from collections.abc import Iterator

import numpy as np

COLLECTIVES = (
    "all-gather",
    "all-reduce",
    "all-to-all",
    "collective-broadcast",
    "collective-permute",
    "ragged-all-to-all",
    "reduce-scatter",
)

_COMPUTATION = re.compile(r"(ENTRY )?%?([\w.\-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"\s+(ROOT )?%?([\w.\-]+) = ")
_OPCODE = re.compile(r"\s*([\w\-]+)\(")
_ARRAY = re.compile(r"([a-z]\w*)\[([\d,]*)\](?:\{([^}]*)\})?")
_NAME = re.compile(r"%([\w.\-]+)")
_CALLED = re.compile(r"\b(?:calls|to_apply|body|branch_computations)=(\{[^}]*\}|%[\w.\-]+)")

# They name what is there, or stand for what is counted elsewhere.
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
# Slices that are brought on chip side by side need no copy to be one array.
_FREE_CALLS = ('custom_call_target="ConcatBitcast"', 'custom_call_target="AllocateBuffer"')
# They read no more of their first operand than they give back.
_SLICES = ("dynamic-slice", "gather", "slice", "slice-start")
_UPDATE = "dynamic-update-slice"


@dataclasses.dataclass(frozen=True)
class Array:
    """An array on one device.

    Attributes:
        dtype: HLO's name, as `bf16`.
        shape: its sizes.
        in_hbm: False for on-chip memory.
    """

    dtype: str
    shape: tuple[int, ...]
    in_hbm: bool

    @property
    def num_bytes(self) -> int:
        bits = re.search(r"\d+", self.dtype)  # predicates have none, and take a byte
        return -(-math.prod(self.shape) * (int(bits[0]) if bits else 8) // 8)


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of a computation.

    Attributes:
        name: in its computation.
        opcode: as `fusion`.
        arrays: of the result; those of a tuple one after the other.
        operands: names of instructions.
        inside: the text between the parentheses.
        attributes: the text after them.
        is_root: whether its result is the computation's.
    """

    name: str
    opcode: str
    arrays: tuple[Array, ...]
    operands: tuple[str, ...]
    inside: str
    attributes: str
    is_root: bool

    @property
    def called(self) -> list[str]:
        """Names of the computations that it runs, but for a loop's condition."""
        return [name for text in _CALLED.findall(self.attributes) for name in _NAME.findall(text)]

    def attribute(self, name: str) -> str | None:
        """Returns an attribute's text without its braces."""
        found = re.search(rf"\b{name}=(?:\{{([^}}]*)\}}|([^\s,]+))", self.attributes)
        return next((text for text in found.groups() if text is not None), "") if found else None


class Computation(dict[str, Instruction]):
    """Instructions by name, in the order of the text."""

    @property
    def root(self) -> Instruction:
        return next(instruction for instruction in self.values() if instruction.is_root)

    def operands(self, instruction: Instruction) -> list[Instruction]:
        return [self[name] for name in instruction.operands if name in self]

    @functools.cached_property
    def users(self) -> dict[str, list[Instruction]]:
        """The instructions that read each one."""
        users = collections.defaultdict(list)
        for instruction in self.values():
            for name in dict.fromkeys(instruction.operands):
                users[name].append(instruction)
        return users

    @functools.cached_property
    def parameters(self) -> dict[int, Instruction]:
        return {int(i.inside): i for i in self.values() if i.opcode == "parameter"}


@dataclasses.dataclass(frozen=True)
class Collective:
    """An exchange between devices.

    Attributes:
        kind: one of `COLLECTIVES`.
        arrays: what a device gives to it.
        times: how often it runs.
    """

    kind: str
    arrays: tuple[Array, ...]
    times: int

    @property
    def num_bytes(self) -> int:
        """What a device gives to it each time."""
        return sum(array.num_bytes for array in self.arrays)


class Module:
    """An optimised module, as `jax.stages.Compiled.as_text` prints it.

    Attributes:
        computations: by name.
        entry: the one that runs.
        unknown_loops: loops whose number of iterations the text does not tell: they count once.
    """

    def __init__(self, text: str):
        self.computations, self.entry = _parse(text)
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
        """Floating-point operations of matrix products and convolutions, two a multiply-add.

        What falls on padding or between dilated samples does not count.
        """
        flops = {"convolution": _convolution_flops, "dot": _dot_flops}
        return sum(
            times * flops[instruction.opcode](computation, instruction)
            for computation, instruction, times in self._running()
            if instruction.opcode in flops
        )

    @functools.cached_property
    def hbm_bytes(self) -> int:
        """Bytes that all instructions read from HBM and write to it, without tiles' padding."""
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
                        hbm = dataclasses.replace(value, arrays=_as_hbm(value.arrays))
                        total += self._bytes_read(user, index, hbm)
        return total

    def _written(self, instruction: Instruction, computation: Computation) -> list[Array]:
        """Returns the arrays that are written: of an update in place, no more than the update."""
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


def _parse(text: str) -> tuple[dict[str, Computation], str]:
    computations, entry, current = {}, None, Computation()
    for line in text.splitlines():
        if header := _COMPUTATION.match(line):
            current = computations[header[2]] = Computation()
            entry = header[2] if header[1] else entry
        elif found := _INSTRUCTION.match(line):
            current[found[2]] = _parse_instruction(line, found)
    if entry is None:
        raise ValueError("this is no text of an HLO module: it has no ENTRY")
    return computations, entry


def _parse_instruction(line: str, found: re.Match[str]) -> Instruction:
    end = _end_of_shape(line, found.end())
    opcode = _OPCODE.match(line, end)
    closing = _closing(line, opcode.end() - 1)
    inside = line[opcode.end() : closing]
    # The result's own layouts hold parentheses, names and `S(1)` for on-chip memory.
    arrays = tuple(
        Array(
            dtype,
            tuple(int(size) for size in shape.split(",") if size),
            in_hbm=not re.search(r"S\([1-9]", layout),
        )
        for dtype, shape, layout in _ARRAY.findall(line[found.end() : end])
    )
    operands = tuple(_NAME.findall(inside))
    return Instruction(
        found[2], opcode[1], arrays, operands, inside, line[closing + 1 :], bool(found[1])
    )


def _end_of_shape(line: str, start: int) -> int:
    return _closing(line, start) + 1 if line[start] == "(" else line.index(" ", start)


def _closing(line: str, opening: int) -> int:
    """Returns where the parenthesis that opens here closes."""
    depth = 0
    for found in re.compile(r"[()]").finditer(line, opening):
        depth += 1 if found[0] == "(" else -1
        if not depth:
            return found.start()
    raise ValueError(f"unbalanced parentheses in {line[:80]!r}")


def _source(computation: Computation, name: str, index: int) -> Instruction | None:
    """Follows an element of a tuple to what it was made by."""
    value = computation[name]
    if value.opcode != "tuple":
        return None
    value = computation[value.operands[index]]
    while value.opcode in ("bitcast", "copy"):
        value = computation[value.operands[0]]
    return value


def _result(instruction: Instruction) -> list[Array]:
    """Returns what is written; an asynchronous start's tuple also holds its operand and a flag."""
    if instruction.opcode == "copy-start":
        return [instruction.arrays[0]]
    if instruction.opcode == "slice-start":
        return [instruction.arrays[1]]
    if instruction.opcode.removesuffix("-start") in COLLECTIVES and instruction.opcode[-1] == "t":
        return []  # replaced where it ends
    return list(instruction.arrays)


def _as_hbm(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
    return tuple(dataclasses.replace(array, in_hbm=True) for array in arrays)


def _convolution_flops(computation: Computation, instruction: Instruction) -> int:
    image, kernel = (o.arrays[0].shape for o in computation.operands(instruction))
    output = instruction.arrays[0].shape
    image_dims, kernel_dims, output_dims = re.split("_|->", instruction.attribute("dim_labels"))
    window = dict(
        item.split("=") for item in (instruction.attribute("window") or "").split() if "=" in item
    )
    pairs = 1
    for dim in range(len(output) - 2):
        label = str(dim)

        def of_window(name, default, dim=dim):
            return window[name].split("x")[dim] if name in window else default

        pairs *= _valid_pairs(
            image[image_dims.index(label)],
            kernel[kernel_dims.index(label)],
            output[output_dims.index(label)],
            stride=int(of_window("stride", 1)),
            before=int(of_window("pad", "0_0").split("_")[0]),
            image_dilation=int(of_window("lhs_dilate", 1)),
            kernel_dilation=int(of_window("rhs_dilate", 1)),
        )
    channels = kernel[kernel_dims.index("i")] * output[output_dims.index("f")]
    return 2 * output[output_dims.index("b")] * channels * pairs


def _valid_pairs(
    image: int,
    kernel: int,
    output: int,
    *,
    stride: int,
    before: int,
    image_dilation: int,
    kernel_dilation: int,
) -> int:
    """Counts the pairs of output and tap that meet a sample, along one axis."""
    few, many = sorted([(output, stride), (kernel, kernel_dilation)])
    many = np.arange(many[0]) * many[1]
    total = 0
    for index in range(few[0]):
        position = many + index * few[1] - before
        valid = (position >= 0) & (position <= (image - 1) * image_dilation)
        total += int(np.sum(valid & (position % image_dilation == 0)))
    return total


def _dot_flops(computation: Computation, instruction: Instruction) -> int:
    left = computation.operands(instruction)[0].arrays[0].shape
    summed = instruction.attribute("lhs_contracting_dims") or ""
    contracted = math.prod(left[int(dim)] for dim in summed.split(",") if dim)
    return 2 * math.prod(instruction.arrays[0].shape) * contracted
