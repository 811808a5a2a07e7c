"""Turns the content of a checkpoint into named arrays.

Finds the state dict, and checks every tensor against its storage before it is read.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from smad_jax import errors
from smad_jax.torch_weights import inert, wrappers

# Tensors may share storages (tied weights), but must not expand a small file.
_MOST_SHARING = 8

Reader = Callable[[inert.Storage], bytes | memoryview]


class Read(NamedTuple):
    """The tensors of a state dict by name, and a note on how it was chosen."""

    tensors: dict[str, np.ndarray]
    note: str = ""


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """Returns the strides, in elements, of an array in C order."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def read_all(content: object, storage_bytes: Reader, file_size: int) -> Read:
    """Finds the state dict in a file's content and reads its tensors.

    Args:
        content: What a pickle held.
        storage_bytes: Returns the bytes of a storage.
        file_size: In bytes; limits the total size of tensors that overlap.

    Returns:
        Read-only arrays in the dtype of the file, but bfloat16 as float32.

    Raises:
        DataError: if there is no state dict, or a tensor does not fit the file.
    """
    state, note = _state_dict(content)
    tensors = {
        name: value
        for name, value in state.items()
        if isinstance(name, str) and isinstance(value, inert.Tensor)
    }
    # Such as the steps that mmengine's EMA hook counts: no weights, but not to be
    # ignored in silence.
    others = [repr(name) for name in state if name not in tensors]
    odd = [repr(name) for name in tensors if not name.isprintable()]
    if others or odd:
        raise errors.DataError(
            "its state dict holds entries that are no tensors or have no proper name: "
            + ", ".join(others + odd)
        )
    if not tensors:
        raise errors.DataError("holds no tensors")
    total = sum(4 * math.prod(tensor.shape) for tensor in tensors.values())
    if total > _MOST_SHARING * file_size + 2**20:
        raise errors.DataError(
            f"its tensors overlap: {total} bytes from a file of {file_size}"
        )
    cache: dict[tuple[str, str], np.ndarray] = {}
    read = {}
    for name, tensor in tensors.items():
        try:
            read[name] = _read_tensor(tensor, storage_bytes, cache)
        except ValueError as error:
            raise errors.DataError(f"the tensor {name!r} {error}") from error
    return Read(read, note)


def _state_dict(content: object) -> tuple[dict, str]:
    if isinstance(content, inert.Opaque):
        raise errors.DataError(
            f"is one object of the class {content.name!r}; save the state_dict() of "
            "the model instead"
        )
    if not isinstance(content, dict):
        raise errors.DataError(
            f"holds a {type(content).__name__}, but a state dict was expected"
        )
    key, note = wrappers.choose_entry(content, inert.Tensor)
    return (content[key] if key else content), note


def _read_tensor(
    tensor: inert.Tensor,
    storage_bytes: Reader,
    cache: dict[tuple[str, str], np.ndarray],
) -> np.ndarray:
    """Returns a read-only view of a tensor, which must lie inside its storage."""
    storage = tensor.storage
    count = math.prod(tensor.shape)
    steps = zip(tensor.shape, tensor.strides, strict=True)
    end = tensor.offset + 1 + sum((extent - 1) * stride for extent, stride in steps)
    # Both: strides of zero would repeat a few numbers into a large tensor.
    if count and (end > storage.size or count > storage.size):
        raise ValueError(
            f"of shape {tensor.shape} does not fit its storage of {storage.size}"
        )
    place = (storage.dtype, storage.key)
    dtype = np.dtype("<u2" if storage.dtype == "bfloat16" else storage.dtype)
    if place not in cache:
        raw = storage_bytes(storage)
        cache[place] = np.frombuffer(raw, dtype, len(raw) // dtype.itemsize)
    whole = cache[place]
    if storage.offset + storage.size > len(whole):
        raise ValueError(
            f"has a storage of {storage.size} numbers, but the file holds {len(whole)}"
        )
    if not count:
        return np.zeros(tensor.shape, dtype)
    values = np.lib.stride_tricks.as_strided(
        whole[storage.offset + tensor.offset :],
        tensor.shape,
        [stride * dtype.itemsize for stride in tensor.strides],
        writeable=False,
    )
    if storage.dtype == "bfloat16":
        return _widen(values)
    return values


def _widen(values: np.ndarray) -> np.ndarray:
    """Turns the bits of bfloat16 into float32: they are its upper half."""
    return np.asarray(values.astype(np.uint32) << 16).view(np.float32)
