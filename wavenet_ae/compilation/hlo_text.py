"""The text of an optimised HLO module as computations and instructions.

The operations are those of https://openxla.org/xla/operation_semantics; the TPU's compiler adds
asynchronous copies, and memory spaces to the layouts.
"""

import collections
import dataclasses
import functools
import math
import re

_COMPUTATION = re.compile(r"(ENTRY )?%?([\w.\-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"\s+(ROOT )?%?([\w.\-]+) = ")
_OPCODE = re.compile(r"\s*([\w\-]+)\(")
_ARRAY = re.compile(r"([a-z]\w*)\[([\d,]*)\](?:\{([^}]*)\})?")
_NAME = re.compile(r"%([\w.\-]+)")
_CALLED = re.compile(r"\b(?:calls|to_apply|body|branch_computations)=(\{[^}]*\}|%[\w.\-]+)")


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
        arrays: of the result; those of a tuple in order.
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
        """Names of the computations that it runs, except a loop's condition."""
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


def parse(text: str) -> tuple[dict[str, Computation], str]:
    """Returns the computations by name, and the name of the one that runs.

    Args:
        text: from `jax.stages.Compiled.as_text`.

    Raises:
        ValueError: it is not the text of a module.
    """
    computations, entry, current = {}, None, Computation()
    for line in text.splitlines():
        if header := _COMPUTATION.match(line):
            current = computations[header[2]] = Computation()
            entry = header[2] if header[1] else entry
        elif found := _INSTRUCTION.match(line):
            current[found[2]] = _parse_instruction(line, found)
    if entry is None:
        raise ValueError("this is not the text of an HLO module: it has no ENTRY")
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
