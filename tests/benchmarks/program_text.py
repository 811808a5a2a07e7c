"""What the text of a compiled TPU program says of its memory traffic and collectives.

The compiler's own `bytes accessed` counts operands and results of every instruction,
wherever they are. A TPU's program also says where: arrays in memory space 1 are in the
chip's vector memory, the others in its main memory (HBM).
"""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

_BITS = {"pred": 8, "bf16": 16, "f16": 16, "f32": 32, "f64": 64} | {
    f"{kind}{bits}": bits for kind in "su" for bits in (4, 8, 16, 32, 64)
}
_ARRAY = re.compile(r"\b([a-z]+\d*)\[([\d,]*)\](?:\{([^{}]*)\})?")
_NAMES = re.compile(r"%([\w.-]+)")
# They name or rename what is there already; a transfer is counted where it starts.
_FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all"}
_FREE |= {"custom-call", "partition-id", "iota", "optimization-barrier"}
_COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all")
_COLLECTIVES += ("collective-permute",)


class Array(NamedTuple):
    """An array of the program: its bytes as it lies in memory, and whether in HBM."""

    num_bytes: int
    in_hbm: bool


class Instruction(NamedTuple):
    """An instruction of the entry computation with its results and operands."""

    name: str
    kind: str
    results: list[Array]
    operands: list[Array]


def instructions(text: str) -> Iterator[Instruction]:
    """Yields the instructions of the entry computation, in the program's order."""
    results: dict[str, list[Array]] = {}
    for line in text[text.index("\nENTRY ") :].splitlines():
        found = re.match(r"\s+(?:ROOT )?%([\w.-]+) = (.*)", line)
        if not found:
            continue
        shape, rest = _split(found[2])
        kind, _, rest = rest.partition("(")
        operands = _NAMES.findall(rest[: _closing(rest)])
        results[found[1]] = arrays(shape)
        yield Instruction(
            found[1],
            kind,
            results[found[1]],
            [array for name in operands for array in results.get(name, ())],
        )


def arrays(shape: str) -> list[Array]:
    """Returns the arrays of a type, `bf16[8,64]{1,0:T(8,128)(2,1)S(1)}` or a tuple."""
    return [
        Array(_num_bytes(_BITS[kind], sizes, layout), "S(" not in layout)
        for kind, sizes, layout in _ARRAY.findall(shape)
        if kind in _BITS
    ]


def hbm_bytes(text: str) -> int:
    """Returns the bytes that the instructions read and write in main memory.

    A fusion reads each operand once and writes each result once. Where it needs only
    part of an operand, or an operand twice, the true traffic differs.
    """
    return sum(_traffic(instruction) for instruction in instructions(text))


def collectives(text: str) -> tuple[int, int]:
    """Returns the number of collective instructions, and the bytes of their results."""
    found = [
        one
        for one in instructions(text)
        if one.kind.removesuffix("-start") in _COLLECTIVES
    ]
    # Of an asynchronous one the results name the operands first.
    sizes = [
        [array.num_bytes for array in one.results][: max(1, len(one.operands))]
        for one in found
    ]
    return len(found), sum(map(sum, sizes))


def _traffic(one: Instruction) -> int:
    if one.kind in _FREE or one.kind.endswith(("-done", "-update")):
        return 0
    if one.kind in ("copy-start", "slice-start", "async-start"):
        # The results are the source, what is made of it, and a flag. Both copies and
        # slices move as much as they make, usually between HBM and vector memory.
        source, made = one.results[:2]
        if one.kind == "copy-start":
            source, made = made, source
        return made.num_bytes * (source.in_hbm + made.in_hbm)
    if one.kind.endswith("-start"):
        return 0  # between chips
    return sum(a.num_bytes for a in one.results + one.operands if a.in_hbm)


def _num_bytes(bits: int, sizes: str, layout: str) -> int:
    """Returns the bytes of an array with what its tiles add to the last two axes."""
    extents = [int(size) for size in sizes.split(",") if size]
    order, _, tiles = layout.partition(":")
    axes = [int(axis) for axis in order.split(",") if axis]
    tile = re.match(r"T\(([\d,]+)\)", tiles)
    if tile:
        steps = [int(step) for step in tile[1].split(",")]
        for axis, step in zip(axes, reversed(steps), strict=False):
            extents[axis] = -(-extents[axis] // step) * step
    return math.prod(extents) * bits // 8


def _split(text: str) -> tuple[str, str]:
    """Splits what follows the equals sign into the type and the rest."""
    if not text.startswith("("):
        shape, _, rest = text.partition(" ")
        return shape, rest
    end = _closing(text[1:]) + 2
    return text[:end], text[end:].lstrip()


def _closing(text: str) -> int:
    """Returns where the bracket closes that was opened before the text."""
    depth = 1
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if not depth:
            return place
    return len(text)
