"""Writes `.pth` and `.safetensors` files, without PyTorch.

The `.pth` is the zip archive that `torch.load(weights_only=True)` reads. Each tensor
has a storage of its own, aligned to 64 bytes like PyTorch's, so that it can be mapped.
The same tensors give the same bytes.
"""

import io
import json
import pathlib
import struct
import zipfile
from collections.abc import Mapping, Sequence
from typing import IO

import numpy as np

from smad_jax import errors
from smad_jax.base import file_io
from smad_jax.torch_weights import files, inert, tensors

_ALIGNMENT = 64
_HEADER = 30  # bytes before a member's name
_DATE = (1980, 1, 1, 0, 0, 0)  # a fixed one: the same tensors give the same bytes
_KINDS = {dtype: name for name, dtype in inert.STORAGES.items()}
_SAFETENSORS = {dtype: name for name, dtype in files.SAFETENSORS_DTYPES.items()}

Content = Mapping[str, object]


def write_pth(path: pathlib.Path, content: Content) -> None:
    """Writes what `torch.save(content, path)` would, in its zip format.

    Args:
        path: Replaced if it exists, once everything is written.
        content: Strings, integers, booleans, None, tuples, arrays, and mappings of
            them, which become OrderedDicts as state dicts are.

    Raises:
        TypeError: if it holds anything else.
    """
    arrays: list[np.ndarray] = []
    out = io.BytesIO()
    out.write(b"\x80\x02")  # protocol 2
    _write(content, arrays, out)
    out.write(b".")
    with (
        file_io.whole(path) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive,
    ):
        _add(archive, "archive/data.pkl", out.getvalue())
        _add(archive, "archive/byteorder", b"little")
        for key, array in enumerate(arrays):
            _add(archive, f"archive/data/{key}", array.tobytes())
        _add(archive, "archive/version", b"3\n")


def write_safetensors(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays as a `.safetensors` file, in the order of their names.

    Args:
        path: Replaced if it exists, once everything is written.
        arrays: By name; the file holds nothing else.
    """
    header, parts, start = {}, [], 0
    for name, value in sorted(arrays.items()):
        array = _plain(value)
        end = start + array.nbytes
        header[name] = {
            "dtype": _SAFETENSORS[_dtype(array)],
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
        parts.append(array.tobytes())
        start = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the numbers start at a multiple of eight
    with file_io.whole(path) as partial:
        partial.write_bytes(b"".join([struct.pack("<Q", len(text)), text, *parts]))


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Adds a member whose data starts at a multiple of the alignment."""
    member = zipfile.ZipInfo(name, _DATE)
    start = archive.start_dir + _HEADER + len(name.encode())
    room = -(start + 4) % _ALIGNMENT
    member.extra = b"FB" + struct.pack("<H", room) + b"Z" * room
    archive.writestr(member, data)


def _plain(value: np.ndarray) -> np.ndarray:
    """Returns the array in C order and little-endian."""
    return np.asarray(value, np.asarray(value).dtype.newbyteorder("<"), order="C")


def _dtype(array: np.ndarray) -> str:
    text = array.dtype.str.replace("|", "")
    text = {"b1": "?"}.get(text, text)
    if text not in _KINDS:
        raise errors.DataError(f"PyTorch files hold no arrays of {array.dtype}")
    return text


def _write(value: object, arrays: list[np.ndarray], out: IO[bytes]) -> None:
    """Pickles one value and appends its arrays to `arrays`, for the storages."""
    if value is None or isinstance(value, bool):
        out.write({None: b"N", True: b"\x88", False: b"\x89"}[value])
    elif isinstance(value, int):
        data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        out.write(b"\x8a" + struct.pack("<B", len(data)) + data)
    elif isinstance(value, str):
        data = value.encode()
        out.write(b"X" + struct.pack("<I", len(data)) + data)
    elif isinstance(value, tuple):
        out.write(b"(")
        _write_all(value, arrays, out)
        out.write(b"t")
    elif isinstance(value, Mapping):
        out.write(b"ccollections\nOrderedDict\n)R(")
        _write_all([part for item in value.items() for part in item], arrays, out)
        out.write(b"u")
    elif isinstance(value, np.ndarray):
        _write_tensor(_plain(value), arrays, out)
    else:
        raise TypeError(f"a checkpoint holds no {type(value).__name__}")


def _write_all(
    values: Sequence[object], arrays: list[np.ndarray], out: IO[bytes]
) -> None:
    for value in values:
        _write(value, arrays, out)


def _write_tensor(array: np.ndarray, arrays: list[np.ndarray], out: IO[bytes]) -> None:
    """Pickles the call that rebuilds a tensor from its storage."""
    kind = _KINDS[_dtype(array)].replace(".", "\n")
    key = str(len(arrays))
    arrays.append(array)
    out.write(b"ctorch._utils\n_rebuild_tensor_v2\n((")
    _write("storage", arrays, out)
    out.write(b"c" + kind.encode() + b"\n")
    _write_all((key, "cpu", array.size), arrays, out)
    out.write(b"tQ")  # the persistent id of the storage
    strides = tensors.contiguous(array.shape)
    _write_all((0, array.shape, strides, False, {}), arrays, out)
    out.write(b"tR")
