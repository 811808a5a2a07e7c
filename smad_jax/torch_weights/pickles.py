"""Reads pickles without running them.

A pickle is a program, and `pickle.load` runs it: whatever it names is imported and
called. Here its instructions only move inert values. Nothing is imported, no class is
instantiated, and only the handlers in `inert` are called. This package has no
`import pickle`.
"""

import pickletools
import struct
from collections.abc import Callable, Sequence
from typing import IO

from smad_jax import errors
from smad_jax.torch_weights import inert

# Items and characters passed to calls: a short pickle can pass a long value often.
_MOST_WORK = 2**26


def load(
    file: IO[bytes],
    *,
    foreign: Sequence[str] = (),
    storages: list[inert.Storage] | None = None,
) -> object:
    """Returns the next pickled value of `file`, tensors as `inert.Tensor`.

    Strings of Python 2 are read as Latin-1. Sets come back as lists.

    Args:
        file: At the pickle's first byte; afterwards, after its last.
        foreign: Globals to skip besides `inert.FOREIGN`; `*` matches anything.
        storages: Receives every storage that is used, also by opaque values.

    Raises:
        DataError: if the pickle is damaged or names an unknown global.
    """
    machine = _Machine(foreign, [] if storages is None else storages)
    try:
        for opcode, argument, _ in pickletools.genops(file):
            machine.step(opcode.name, argument)
    except errors.DataError:
        raise
    except (ValueError, LookupError, TypeError, OverflowError, struct.error) as error:
        raise errors.DataError(f"its pickle is damaged: {error}") from error
    if len(machine.stack) != 1:
        raise errors.DataError("its pickle is damaged: expected one value")
    return machine.stack[0]


class _Machine:
    """The stack, marks and memo of one pickle."""

    def __init__(self, foreign: Sequence[str], storages: list[inert.Storage]) -> None:
        self.foreign = foreign
        self.storages = storages
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}
        self.work = 0

    def step(self, opcode: str, argument: object) -> None:
        """Executes one opcode."""
        if opcode in _LITERALS:
            self.stack.append(argument)
        elif opcode in _CONSTANTS:
            self.stack.append(_CONSTANTS[opcode]())
        elif opcode in _ACTIONS:
            _ACTIONS[opcode](self, argument)
        else:
            raise errors.DataError(
                f"uses the pickle instruction {opcode}, which no checkpoint needs"
            )

    def pop(self) -> object:
        if self.marks and self.marks[-1] >= len(self.stack):
            raise ValueError("a mark in place of a value")
        return self.stack.pop()

    def pop_mark(self) -> list[object]:
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def mark(self, _: object) -> None:
        self.marks.append(len(self.stack))

    def discard(self, _: object) -> None:
        self.pop()

    def discard_mark(self, _: object) -> None:
        self.pop_mark()

    def duplicate(self, _: object) -> None:
        self.stack.append(self.stack[-1])

    def put(self, index: object) -> None:
        if not 0 <= (place := int(str(index))) <= inert.LARGEST_KEY:
            raise ValueError("a place in the memo that is a huge number")
        self.memo[place] = self.stack[-1]

    def memoize(self, _: object) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def get(self, index: object) -> None:
        self.stack.append(self.memo[int(str(index))])

    def append(self, _: object) -> None:
        self._extend([self.pop()])

    def appends(self, _: object) -> None:
        self._extend(self.pop_mark())

    def _extend(self, values: list[object]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(values)
        elif not isinstance(target, inert.Opaque):
            raise ValueError(f"{type(target).__name__} cannot be appended to")

    def set_item(self, _: object) -> None:
        value, key = self.pop(), self.pop()
        self._update([key, value])

    def set_items(self, _: object) -> None:
        self._update(self.pop_mark())

    def _update(self, values: list[object]) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):
            inert.fill(target, values)
        elif not isinstance(target, inert.Opaque):
            raise ValueError(f"{type(target).__name__} cannot hold items")

    def make_list(self, _: object) -> None:
        self.stack.append(self.pop_mark())

    def make_tuple(self, _: object) -> None:
        self.stack.append(tuple(self.pop_mark()))

    def make_short_tuple(self, size: int) -> None:
        values = [self.pop() for _ in range(size)]
        self.stack.append(tuple(reversed(values)))

    def make_dict(self, _: object) -> None:
        self.stack.append(inert.fill({}, self.pop_mark()))

    def find_global(self, argument: object) -> None:
        module, _, name = str(argument).partition(" ")
        self.stack.append(inert.find(module, name, self.foreign))

    def find_stack_global(self, _: object) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("a global without a name")
        self.stack.append(inert.find(module, name, self.foreign))

    def reduce(self, _: object) -> None:
        arguments, function = self.pop(), self.pop()
        if not isinstance(arguments, tuple):
            raise ValueError("a call without arguments")
        sized = (str, bytes, list, tuple)
        self.work += sum(len(item) for item in arguments if isinstance(item, sized))
        if self.work > _MOST_WORK:
            raise errors.DataError("builds the same values again and again")
        self.stack.append(inert.call(function, arguments))

    def new_object_ex(self, _: object) -> None:
        self.pop()  # the keyword arguments
        self.reduce(_)

    def build(self, _: object) -> None:
        """Drops the state of an object: no value of `inert` has any."""
        self.pop()
        if not isinstance(self.stack[-1], (inert.Opaque, inert.Tensor, dict)):
            raise ValueError(f"{type(self.stack[-1]).__name__} has no state")

    def find_storage(self, _: object) -> None:
        value = inert.persistent(self.pop())
        if isinstance(value, inert.Storage):
            self.storages.append(value)
        self.stack.append(value)


_LITERALS = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING "
    "SHORT_BINSTRING UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8 BINBYTES "
    "SHORT_BINBYTES BINBYTES8 BYTEARRAY8".split()
)
_CONSTANTS: dict[str, Callable[[], object]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_SET": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
}
_ACTIONS: dict[str, Callable[[_Machine, object], None]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda machine, _: None),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    "MEMOIZE": _Machine.memoize,
    "MARK": _Machine.mark,
    "POP": _Machine.discard,
    "POP_MARK": _Machine.discard_mark,
    "DUP": _Machine.duplicate,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "ADDITEMS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "LIST": _Machine.make_list,
    "FROZENSET": _Machine.make_list,
    "TUPLE": _Machine.make_tuple,
    "TUPLE1": lambda machine, _: machine.make_short_tuple(1),
    "TUPLE2": lambda machine, _: machine.make_short_tuple(2),
    "TUPLE3": lambda machine, _: machine.make_short_tuple(3),
    "DICT": _Machine.make_dict,
    "GLOBAL": _Machine.find_global,
    "STACK_GLOBAL": _Machine.find_stack_global,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.reduce,
    "NEWOBJ_EX": _Machine.new_object_ex,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.find_storage,
}
