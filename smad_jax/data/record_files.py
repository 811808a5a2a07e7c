"""Files of payloads: TFRecord, framed and checked here, and ArrayRecord by its library.

`records` gives the payloads their meaning and keeps the index. Damage and full disks
are OSError or ValueError in both formats.
"""

import contextlib
import errno
import importlib
import os
import pathlib
import threading
from collections.abc import Iterator
from typing import Literal, Protocol, get_args

import google_crc32c

FileFormat = Literal["tfrecord", "array_record"]  # also the extension of the files
FILE_FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)

_BUFFER = 1 << 20  # bytes read at a time from a whole file
_HEAD = 12  # bytes before a payload: its length and the length's checksum
_FRAME = 16  # bytes around a payload: length, its checksum, the payload's checksum


# a compiled module without types
_library = importlib.import_module("array_record.python.array_record_module")


class TFRecordFile:
    """A TFRecord file being written."""

    def __init__(self, path: pathlib.Path):
        self._file = open(path, "wb")

    def append(self, payload: bytes, row: int) -> int:
        """Adds the `row`-th record; returns its place for the index."""
        del row
        place = self._file.tell()
        length = len(payload).to_bytes(8, "little")
        for part in (length, _checksum(length), payload, _checksum(payload)):
            self._file.write(part)
        return place

    def finish(self) -> None:
        """Closes the file once all of it is on disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        """Closes the file as it is."""
        with contextlib.suppress(OSError):  # the disk may be full
            self._file.close()


class ArrayRecordFile:
    """An ArrayRecord file being written; each record is a chunk of its own."""

    def __init__(self, path: pathlib.Path):
        # encoded video cannot be compressed further
        options = "group_size:1,uncompressed"
        self._path = path
        self._writer = _library.ArrayRecordWriter(str(path), options)

    def append(self, payload: bytes, row: int) -> int:
        """Adds the `row`-th record; returns its place for the index."""
        with _array_record_errors(self._path):
            self._writer.write(payload)
        return row

    def finish(self) -> None:
        """Closes the file once all of it is on disk."""
        with _array_record_errors(self._path):
            self._writer.close()
        with open(self._path, "rb") as file:
            os.fsync(file.fileno())

    def close(self) -> None:
        """Closes the file as it is."""
        if self._writer.is_open():
            with contextlib.suppress(OSError), _array_record_errors(self._path):
                self._writer.close()


class Shard(Protocol):
    """An opened shard."""

    def read(self, place: int, size: int) -> bytes:
        """The payload of `size` bytes at a place from the index."""
        ...

    def read_part(self, place: int, start: int, stop: int) -> bytes | None:
        """Bytes `start` to `stop` of the payload, unchecked; None if impossible."""
        ...

    def close(self) -> None:
        """Closes the file."""
        ...


class TFRecordShard:
    """A TFRecord shard; its places are bytes."""

    def __init__(self, path: pathlib.Path):
        self._file = os.open(path, os.O_RDONLY)

    def read(self, place: int, size: int) -> bytes:
        """The payload of `size` bytes that begins at byte `place`."""
        return _unframe(os.pread(self._file, size + _FRAME, place), size)

    def read_part(self, place: int, start: int, stop: int) -> bytes:
        """Bytes `start` to `stop` of that payload; no checksum covers them alone."""
        return os.pread(self._file, stop - start, place + _HEAD + start)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)


class ArrayRecordShard:
    """An ArrayRecord shard; its places are rows."""

    def __init__(self, path: pathlib.Path):
        self._path = path
        with _array_record_errors(path):
            self._reader = _library.ArrayRecordReader(
                str(path), "readahead_buffer_size:0,max_parallelism:0"
            )
            if not self._reader.ok():
                self._reader.close()  # raises the error
        self._lock = threading.Lock()

    def read(self, place: int, size: int) -> bytes:
        """The payload of `size` bytes in row `place`."""
        payload = self.read_row(place)
        if len(payload) != size:
            raise ValueError(f"expected {size} bytes, found {len(payload)}")
        return payload

    def read_part(self, place: int, start: int, stop: int) -> None:
        """None: the library reads whole records."""

    def read_row(self, row: int) -> bytes:
        """The payload of a row, of any size."""
        with self._lock, _array_record_errors(self._path):
            return self._reader.read([row])[0]

    def close(self) -> None:
        """Closes the file."""
        with contextlib.suppress(RuntimeError):  # reading has reported any damage
            self._reader.close()

    def __len__(self) -> int:
        with _array_record_errors(self._path):
            return self._reader.num_records()


@contextlib.contextmanager
def _array_record_errors(path: pathlib.Path) -> Iterator[None]:
    """Turns errors of the ArrayRecord library into OSError."""
    try:
        yield
    except (RuntimeError, ValueError, IndexError) as error:
        number = errno.ENOSPC if "No space left" in str(error) else errno.EIO
        raise OSError(number, f"{path}: {str(error).splitlines()[0]}") from error


def tfrecord_payloads(path: pathlib.Path) -> Iterator[tuple[int, bytes]]:
    """Places and payloads of a TFRecord file."""
    size, offset = path.stat().st_size, 0
    with open(path, "rb", buffering=_BUFFER) as file:
        while offset < size:
            head = file.read(_HEAD)
            length = int.from_bytes(head[:8], "little")
            rest = file.read(min(length, size) + _FRAME - _HEAD)
            try:
                yield offset, _unframe(head + rest, length)
            except ValueError as error:
                raise ValueError(f"at byte {offset} of {size}: {error}") from error
            offset += length + _FRAME


def array_record_payloads(path: pathlib.Path) -> Iterator[tuple[int, bytes]]:
    """Places and payloads of an ArrayRecord file."""
    shard = ArrayRecordShard(path)
    with contextlib.closing(shard):
        for row in range(len(shard)):
            yield row, shard.read_row(row)


def _checksum(data: bytes) -> bytes:
    """The masked CRC-32C that TFRecord stores, 4 bytes little endian."""
    crc = google_crc32c.value(data)
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return ((rotated + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")


def _unframe(data: bytes, size: int) -> bytes:
    """The payload of `size` bytes in a framed record, both checksums checked."""
    if len(data) != size + _FRAME:
        raise ValueError(f"expected {size + _FRAME} bytes, found {len(data)}")
    if data[8:12] != _checksum(data[:8]) or int.from_bytes(data[:8], "little") != size:
        raise ValueError("checksum of the record's length does not hold")
    payload = data[12 : 12 + size]
    if data[12 + size :] != _checksum(payload):
        raise ValueError("checksum of the record does not hold")
    return payload


# By the extension of a file.
WRITERS = {".tfrecord": TFRecordFile, ".array_record": ArrayRecordFile}
SHARDS = {".tfrecord": TFRecordShard, ".array_record": ArrayRecordShard}
PAYLOADS = {
    ".tfrecord": tfrecord_payloads,
    ".array_record": array_record_payloads,
}
