"""Reads the tensors of `.pth` and `.safetensors` files, without PyTorch.

Both forms of `.pth` are read: the zip archive and the legacy one before PyTorch 1.6. No
file can run code (see `pickles`), create files, or use much more memory than its size.
"""

import dataclasses
import io
import json
import math
import pathlib
import re
import struct
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

from smad_jax import errors
from smad_jax.torch_weights import inert, pickles, tensors

SAFETENSORS_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "bfloat16",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}
_PREFIX = re.compile(r"(module\.|_orig_mod\.)+")
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001


@dataclasses.dataclass(frozen=True)
class StateDict:
    """The tensors of a file by name.

    Attributes:
        tensors: In the dtype of the file, but bfloat16 as float32, which is exact.
        format: `zip`, `legacy` or `safetensors`.
        prefix: What was removed from every name, such as `module.`; usually empty.
        note: Which entry of the file was chosen, if that is worth a note.
    """

    tensors: dict[str, np.ndarray]
    format: str
    prefix: str = ""
    note: str = ""


def read(path: pathlib.Path, *, foreign: Sequence[str] = ()) -> StateDict:
    """Reads every tensor of a checkpoint's state dict.

    Args:
        path: A `.pth`, `.pt`, `.tar` or `.safetensors` file; its content decides.
        foreign: Names of classes to skip, see `pickles.load`.

    Returns:
        The state dict, whether it is the file or one of its entries.

    Raises:
        DataError: if there is no such file, it is damaged, needs anything but tensors
            and plain containers, or holds no state dict.
    """
    if not path.is_file():
        raise errors.DataError(f"no checkpoint at {path}")
    try:
        with open(path, "rb") as file:
            start = file.read(10)
        if start[:4] == b"PK\x03\x04":
            found, form = _read_zip(path, foreign), "zip"
        elif start[8:9] == b"{":
            found, form = _read_safetensors(path), "safetensors"
        elif start[:1] == b"\x80":
            found, form = _read_legacy(path, foreign), "legacy"
        else:
            raise errors.DataError("is neither a .pth nor a .safetensors file")
    except errors.DataError as error:
        raise errors.DataError(f"{path}: {error}") from error
    prefix = _common_prefix(found.tensors)
    named = {name.removeprefix(prefix): value for name, value in found.tensors.items()}
    return StateDict(named, form, prefix, found.note)


def _common_prefix(names: Mapping[str, object]) -> str:
    """Returns what DataParallel or torch.compile put before all names."""
    first = _PREFIX.match(next(iter(names), ""))
    prefix = first.group() if first else ""
    return prefix if all(name.startswith(prefix) for name in names) else ""


def _read_zip(path: pathlib.Path, foreign: Sequence[str]) -> tensors.Read:
    try:
        with zipfile.ZipFile(path) as archive:
            root = _check_archive(archive, path.stat().st_size)
            pickle = io.BytesIO(archive.read(f"{root}/data.pkl"))
            content = pickles.load(pickle, foreign=foreign)

            def storage_bytes(storage: inert.Storage) -> bytes:
                return archive.read(f"{root}/data/{storage.key}")

            return tensors.read_all(content, storage_bytes, path.stat().st_size)
    except errors.DataError:
        raise
    except KeyError as error:
        raise errors.DataError(f"its archive is incomplete: {error}") from error
    except (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, OSError) as error:
        raise errors.DataError(f"its archive is damaged: {error}") from error


def _check_archive(archive: zipfile.ZipFile, file_size: int) -> str:
    """Returns the folder in the archive that holds `data.pkl`."""
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(set(names)) != len(names):
        # Which of the two is read would depend on the reader.
        raise errors.DataError("its archive names a member twice")
    if any(name.endswith("/constants.pkl") for name in names):
        raise errors.DataError(
            "is a TorchScript program; save the state_dict() of the model instead"
        )
    # Compressed members could expand to far more than the file's size.
    packed = [m.filename for m in members if m.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise errors.DataError(
            f"its archive is compressed ({packed[0]!r}), which torch.save never does"
        )
    if sum(member.file_size for member in members) > file_size:
        raise errors.DataError("its archive declares more bytes than the file has")
    roots = [name.rpartition("/")[0] for name in names if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise errors.DataError("is a zip archive without a pickle of PyTorch")
    order = f"{roots[0]}/byteorder"
    if order in names and archive.read(order) != b"little":
        raise errors.DataError(
            "was written on a big-endian machine; save it on a little-endian one"
        )
    return roots[0]


def _read_legacy(path: pathlib.Path, foreign: Sequence[str]) -> tensors.Read:
    data = path.read_bytes()
    file = io.BytesIO(data)
    if pickles.load(file) != _LEGACY_MAGIC:
        raise errors.DataError("is a pickle, but not one that torch.save wrote")
    protocol, system = pickles.load(file), pickles.load(file)
    if protocol != _LEGACY_PROTOCOL or not isinstance(system, dict):
        raise errors.DataError("is of an unknown legacy protocol")
    if system.get("little_endian") is not True:
        raise errors.DataError(
            "was written on a big-endian machine; save it on a little-endian one"
        )
    storages: list[inert.Storage] = []
    content = pickles.load(file, foreign=foreign, storages=storages)
    keys = pickles.load(file)
    if not isinstance(keys, list):
        raise errors.DataError("its list of storages is damaged")
    sizes = {storage.key: _size(storage.dtype) for storage in storages}
    places = _legacy_places(data, file.tell(), keys, sizes)

    def storage_bytes(storage: inert.Storage) -> memoryview:
        if storage.key not in places:
            raise errors.DataError(f"it lacks the storage {storage.key!r}")
        start, end = places[storage.key]
        return memoryview(data)[start:end]

    return tensors.read_all(content, storage_bytes, len(data))


def _size(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def _legacy_places(
    data: bytes, position: int, keys: list[object], sizes: dict[str, int]
) -> dict[object, tuple[int, int]]:
    """Returns where each storage after the pickles starts and ends.

    Each is a count, then the numbers.
    """
    places: dict[object, tuple[int, int]] = {}
    for key in keys:
        if not isinstance(key, str) or key not in sizes:
            raise errors.DataError("it holds a storage that no tensor uses")
        start = position + 8
        count = int.from_bytes(data[position:start], "little", signed=True)
        position = start + count * sizes[key]
        if count < 0 or position > len(data):
            raise errors.DataError(f"it ends inside the storage {key!r}")
        places[key] = (start, position)
    return places


def _read_safetensors(path: pathlib.Path) -> tensors.Read:
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    body = memoryview(data)[8 + length :]
    try:
        header = json.loads(data[8 : 8 + length], object_pairs_hook=_no_doubles)
    except (ValueError, RecursionError) as error:
        raise errors.DataError(f"its header is damaged: {error}") from error
    if not isinstance(header, dict):
        raise errors.DataError("its header is not a table of tensors")
    header.pop("__metadata__", None)
    content: dict[str, inert.Tensor] = {}
    starts: dict[str, int] = {}
    for name, entry in header.items():
        try:
            start, end = (int(offset) for offset in entry["data_offsets"])
            shape = tuple(int(extent) for extent in entry["shape"])
            dtype = SAFETENSORS_DTYPES[entry["dtype"]]
        except (KeyError, TypeError, ValueError) as error:
            raise errors.DataError(f"the entry {name!r} is damaged") from error
        size = math.prod(shape) * _size(dtype)
        if not 0 <= start <= end <= len(body) or end - start != size:
            raise errors.DataError(f"the entry {name!r} does not fit the file")
        storage = inert.Storage(dtype, name, 0, math.prod(shape))
        content[name] = inert.Tensor(storage, 0, shape, tensors.contiguous(shape))
        starts[name] = start
    return tensors.read_all(
        content, lambda storage: body[starts[storage.key] :], len(data)
    )


def _no_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name occurs twice")
    return dict(pairs)
