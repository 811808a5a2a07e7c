"""Inert values in place of what the pickle of a checkpoint names.

Tensors, containers and bytes are built by the handlers of `_BUILDERS`, the only
functions that a pickle can reach. Classes beside the weights become an `Opaque`, which
is a name and nothing else. Everything else is refused.
"""

import dataclasses
import fnmatch
from collections.abc import Callable, Sequence

from smad_jax import errors

# What ordinary trainers save beside the weights.
FOREIGN = (
    "mmengine.*",
    "mmcv.*",
    "mmaction.*",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy.ndarray",
    "numpy.dtype",
    "numpy.dtypes.*",
    "argparse.Namespace",
    "torch.device",
    "torch.float16",
    "torch.bfloat16",
    "torch.float32",
    "torch.float64",
    "torch.int64",
    "torch.float8_*",
    "builtins.list",  # what a defaultdict makes of a missing key
    "builtins.dict",
    "builtins.int",
    "builtins.float",
)
STORAGES = {
    "torch.DoubleStorage": "<f8",
    "torch.FloatStorage": "<f4",
    "torch.HalfStorage": "<f2",
    "torch.BFloat16Storage": "bfloat16",
    "torch.LongStorage": "<i8",
    "torch.IntStorage": "<i4",
    "torch.ShortStorage": "<i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
}
# Of tensors that have no class of storage; they are refused where one is rebuilt.
_UNTYPED = {"torch.storage.UntypedStorage": "u1"}
_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_LONGEST_NAME = 1000
LARGEST_KEY = 2**60
_KEYS = (str, bytes, int, float, type(None))


@dataclasses.dataclass(frozen=True)
class Opaque:
    """An instance of a class that is not loaded; only its name is known."""

    name: str


@dataclasses.dataclass(frozen=True)
class Storage:
    """Where the numbers of tensors are.

    Attributes:
        dtype: A NumPy dtype, or `bfloat16`.
        key: Which storage of the file.
        offset: Where it starts in that storage, in elements.
        size: Elements.
    """

    dtype: str
    key: str
    offset: int
    size: int


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A strided view of a storage, not yet read; offset and strides in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class _Global:
    """The name of a builder or of a kind of storage."""

    name: str


def find(module: str, name: str, foreign: Sequence[str]) -> object:
    """Returns the value in place of a global; nothing is imported.

    Args:
        module: As the pickle names it.
        name: Within the module.
        foreign: Patterns of names to skip besides `FOREIGN`.

    Raises:
        DataError: naming the global, if it is not known.
    """
    full = _checked(f"{_PYTHON_2.get(module, module)}.{name}")
    if full in {**_BUILDERS, **STORAGES, **_UNTYPED} or full in _TENSOR_TYPES:
        return _Global(full)
    if any(fnmatch.fnmatchcase(full, pattern) for pattern in (*FOREIGN, *foreign)):
        return Opaque(full)
    raise _refuse(full)


def _checked(name: str) -> str:
    if len(name) > _LONGEST_NAME:
        raise ValueError("a name without an end")
    return name


def _refuse(name: str) -> errors.DataError:
    return errors.DataError(
        f"asks for {name!r}, which is neither a tensor nor a plain container; "
        "nothing was run. If you trust the file and the weights do not need it, skip "
        f"it with --foreign {name!r}"
    )


def fill(target: dict, values: list[object]) -> dict:
    """Adds key, value, key, value... to a dict, and returns it."""
    if len(values) % 2:
        raise ValueError("a key without a value")
    for key, value in zip(values[::2], values[1::2], strict=True):
        # No tuples: hashing nested ones can take forever.
        if not isinstance(key, (*_KEYS, Opaque, _Global)):
            raise ValueError(f"a key that is a {type(key).__name__}")
        # Numbers that leave the same remainder have the same hash, and a dict of them
        # takes quadratic time; no key of a checkpoint is as large.
        if isinstance(key, int) and abs(key) > LARGEST_KEY:
            raise ValueError("a key that is a huge number")
        target[key] = value
    return target


def persistent(identity: object) -> Storage | Opaque:
    """Turns a persistent id into a `Storage`; bounds are checked when it is read.

    Very old files add a view of the storage: key, offset and size. In legacy files the
    class of a whole module also has a persistent id.

    Raises:
        ValueError: if it is anything else.
    """
    if not isinstance(identity, tuple) or len(identity) not in (4, 5, 6):
        raise ValueError("a persistent id that is no storage")
    if identity[0] == "module" and isinstance(identity[1], Opaque):
        return identity[1]
    if len(identity) == 4:
        raise ValueError("a persistent id that is no storage")
    tag, kind, key, _, size, *view = identity
    if tag != "storage" or not isinstance(kind, _Global):
        raise ValueError("a persistent id that is no storage")
    dtype = {**STORAGES, **_UNTYPED}.get(kind.name)
    if dtype is None or not isinstance(key, str):
        raise ValueError("a storage without type or key")
    offset = 0
    if view and view[0] is not None:
        _, offset, size = _tuple_of(view[0], 3)
    return Storage(dtype, key, _natural(offset), _natural(size))


def _natural(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"a {type(value).__name__} where a size or offset should be")
    return value


def _tuple_of(value: object, size: int) -> tuple:
    if not isinstance(value, (tuple, list)) or len(value) != size:
        raise ValueError(f"expected {size} values")
    return tuple(value)


def call(function: object, arguments: tuple) -> object:
    """Returns what a call would build; only handlers of this file are called.

    Raises:
        DataError: if the function is a known name without a handler.
        ValueError: if its arguments are not those of a checkpoint.
    """
    if isinstance(function, Opaque):
        return function
    if isinstance(function, _Global) and function.name in _BUILDERS:
        return _BUILDERS[function.name](*arguments)
    if isinstance(function, _Global):
        raise _refuse(function.name)
    raise ValueError(f"a call of a {type(function).__name__}")


def _ordered_dict(pairs: object = ()) -> dict:
    if not isinstance(pairs, (list, tuple)):
        raise ValueError("an ordered dict without pairs")
    return fill({}, [value for pair in pairs for value in _tuple_of(pair, 2)])


def _counter(counts: object = ()) -> dict:
    """Returns what a `Counter` holds, or the empty dict of a `defaultdict`."""
    return counts if isinstance(counts, dict) else {}


def _sequence(values: object = ()) -> Sequence[object]:
    if not isinstance(values, (list, tuple)):
        raise ValueError("a set without items")
    return values


def _encode(text: object, encoding: object = "latin1") -> bytes:
    """Returns bytes, which protocol 2 stores as text to be encoded as Latin-1."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError("bytes in an unknown encoding")
    return text.encode("latin1")


def _get_attribute(owner: object, name: object) -> Opaque:
    """Returns a method as protocol 2 names it; its class must be a foreign one."""
    if not isinstance(owner, Opaque) or not isinstance(name, str):
        raise _refuse("builtins.getattr")
    return Opaque(_checked(f"{owner.name}.{name}"))


def _rebuild_tensor(
    storage: object, offset: object, shape: object, strides: object, *unused: object
) -> Tensor:
    """Returns a `Tensor` without gradient flag, hooks and metadata."""
    del unused
    if not isinstance(storage, Storage):
        raise ValueError("a tensor without a storage")
    if not isinstance(shape, (tuple, list)) or not isinstance(strides, (tuple, list)):
        raise ValueError("a tensor without a shape")
    if len(shape) != len(strides) or len(shape) > 8:
        raise ValueError("a tensor of odd rank")
    return Tensor(
        storage,
        _natural(offset),
        tuple(_natural(extent) for extent in shape),
        tuple(_natural(stride) for stride in strides),
    )


def _rebuild_untyped(*unused: object) -> Tensor:
    """Refuses the types that PyTorch has no storage class for, such as float8."""
    del unused
    raise errors.DataError(
        "holds tensors of float8 or an unsigned type; save them as float32, with "
        "{name: tensor.float() for name, tensor in state_dict.items()}"
    )


def _rebuild_parameter(tensor: object, *unused: object) -> Tensor:
    del unused
    if not isinstance(tensor, Tensor):
        raise ValueError("a parameter without a tensor")
    return tensor


def _rebuild_from_type(
    function: object, kind: object, arguments: object, state: object
) -> Tensor:
    """Returns a tensor without its Python attributes."""
    del state
    known = isinstance(kind, _Global) and kind.name in _TENSOR_TYPES
    if not known or not isinstance(arguments, tuple):
        raise ValueError("a tensor of an unknown class")
    return _rebuild_parameter(call(function, arguments))


_TENSOR_TYPES = ("torch.Tensor", "torch.nn.parameter.Parameter")
_BUILDERS: dict[str, Callable[..., object]] = {
    "collections.OrderedDict": _ordered_dict,
    "collections.Counter": _counter,
    "collections.defaultdict": _counter,
    "builtins.set": _sequence,
    "builtins.frozenset": _sequence,
    "builtins.bytes": lambda: b"",
    "builtins.getattr": _get_attribute,
    "_codecs.encode": _encode,
    "torch.Size": lambda extents=(): tuple(_sequence(extents)),
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v3": _rebuild_untyped,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
}
