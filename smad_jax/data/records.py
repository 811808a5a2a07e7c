"""Records on disk: shards of tf.train.Example, opened by position.

A shard is an ordinary TFRecord or ArrayRecord file. Its index, `<shard>.index`, holds
the place and id of each record, so that record i is one read and ids are known without
reading any video. Nothing here needs TensorFlow. `catalog` gives the records of a data
set their meaning.
"""

import abc
import contextlib
import os
import pathlib
import shlex
import struct
import threading
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np

from smad_jax import errors
from smad_jax.base import file_io
from smad_jax.data import jpeg_frames, record_files, tf_example

REINDEX_COMMAND = "python -m data_prep.build_records --reindex"

_OTHER_ID = "its id is not that of the index"
_HEAD = 1 << 10  # bytes of a payload that hold all but its video, if the id is short
_INDEX_MAGIC = b"SMADIDX1"
_INDEX_HEADER = struct.Struct("<8sQQQ")  # magic, records, bytes of shard, bytes of ids


class VideoRecord(NamedTuple):
    """One stored video.

    Attributes:
        id: Its id.
        video: The encoded file.
        label: Class of the original list.
        num_frames: Frames that decode, 0 if unknown.
        packets: Where the packets lie in the file (`video.packet_places`); empty if
            unknown, as in records of older versions.
    """

    id: str
    video: bytes
    label: int
    num_frames: int
    packets: bytes = b""

    def fields(self) -> tf_example.Fields:
        """The fields of the record, without the id and what is empty."""
        known = {"packets": self.packets} if self.packets else {}
        label, num_frames = self.label, self.num_frames
        return {"video": self.video, "label": label, "num_frames": num_frames, **known}


class _Writer(abc.ABC):
    """A context manager that closes on success and discards on an exception."""

    @abc.abstractmethod
    def close(self) -> None: ...

    @abc.abstractmethod
    def discard(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard() if error else self.close()


class ShardWriter(_Writer):
    """Writes one record file and its index; both appear on `close`, or neither.

    The extension of the path is the format. As a context manager it removes the files
    after an exception. Equal records give equal bytes.

    Raises:
        DataError: if an id is written twice or holds a line break.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self._path = pathlib.Path(path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._partial = file_io.partial_path(self._path)
        self._file = record_files.WRITERS[self._path.suffix](self._partial)
        self._places: list[tuple[int, int]] = []
        self._ids: dict[str, None] = {}
        self._is_open = True

    def write(self, id: str, fields: tf_example.Fields) -> None:
        """Appends a record of `fields` and the field `id`."""
        if id in self._ids or "\n" in id:
            fault = "was written before" if id in self._ids else "holds a line break"
            raise errors.DataError(
                f"id {id!r} {fault}; ids must be unique single lines"
            )
        payload = tf_example.encode({"id": id.encode(), **fields})
        place = self._file.append(payload, len(self._ids))
        self._places.append((place, len(payload)))
        self._ids[id] = None

    def close(self) -> None:
        """Finishes both files and gives them their names."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            self._file.finish()
            size = self._partial.stat().st_size
            # the index comes last: a shard without one is an error, never wrong data
            os.replace(self._partial, self._path)
        except BaseException:
            self.discard()
            raise
        _write_index(self._path, size, self._places, list(self._ids))

    def discard(self) -> None:
        """Removes the files written so far."""
        self._is_open = False
        self._file.close()
        self._partial.unlink(missing_ok=True)


class RecordWriter(_Writer):
    """Writes `<prefix>-00000-of-0000N.<format>` shards, record k to shard k mod N.

    As a context manager it removes the files after an exception. No file has its final
    name before `close`.

    Args:
        path_prefix: Path without the shard suffix, `<folder>/videos` for videos.
        num_shards: N, at least 1.
        file_format: Of the shards.
    """

    def __init__(
        self,
        path_prefix: str | os.PathLike[str],
        num_shards: int = 1,
        file_format: record_files.FileFormat = "tfrecord",
    ):
        if not 1 <= num_shards <= 99_999:
            raise errors.ConfigError(
                f"number of shards must be 1 to 99999, not {num_shards}"
            )
        self._shards = [
            ShardWriter(
                f"{os.fspath(path_prefix)}-{shard:05}-of-{num_shards:05}.{file_format}"
            )
            for shard in range(num_shards)
        ]
        self._ids: set[str] = set()

    def __len__(self) -> int:
        return len(self._ids)

    def write(self, record: VideoRecord) -> None:
        """Appends one video.

        Raises:
            DataError: if its id was written before or holds a line break.
        """
        if record.id in self._ids:
            raise errors.DataError(f"id {record.id!r} was written before")
        shard = self._shards[len(self._ids) % len(self._shards)]
        shard.write(record.id, record.fields())
        self._ids.add(record.id)

    def close(self) -> None:
        """Finishes all shards and gives them their names."""
        for shard in self._shards:
            shard.close()

    def discard(self) -> None:
        """Removes the files written so far."""
        for shard in self._shards:
            shard.discard()


class _Index(NamedTuple):
    """An opened index: [R, 2] uint64 offsets and lengths of payloads, and R ids."""

    places: np.ndarray
    ids: list[str]


class ShardSize(NamedTuple):
    """Size of a shard's file."""

    num_records: int
    num_bytes: int


class RecordReader:
    """Random access to the records of all shards, in shard order.

    Any number of threads may read at the same time; a copy in another process opens the
    files itself.

    Args:
        folder: Folder of the shards.
        stem: The file name up to the shard suffix; `<stem>.tfrecord` alone counts too.
            Shards are TFRecord or ArrayRecord files.

    Raises:
        DataError: if a shard is missing or has no index that matches it.
    """

    def __init__(self, folder: str | os.PathLike[str], stem: str = "videos"):
        self._folder = pathlib.Path(folder)
        self._stem = stem
        self._paths = _shard_paths(self._folder, stem)
        indexes = [_read_index(path) for path in self._paths]
        self._places = [index.places for index in indexes]
        self._starts = np.cumsum([0, *(len(index.ids) for index in indexes)])
        self._ids = [id for index in indexes for id in index.ids]
        self._files: dict[int, record_files.Shard] = {}
        self._lock = threading.Lock()

    @property
    def ids(self) -> list[str]:
        """Ids by position."""
        return self._ids

    @property
    def file_format(self) -> record_files.FileFormat:
        """Format of the shards."""
        is_array = self._paths[0].suffix == ".array_record"
        return "array_record" if is_array else "tfrecord"

    @property
    def shard_sizes(self) -> list[ShardSize]:
        """Records and bytes of each shard, in order."""
        return [
            ShardSize(len(places), path.stat().st_size)
            for places, path in zip(self._places, self._paths, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, position: int) -> dict[str, bytes | int]:
        """The fields of the record at `position`, 0 <= position < len.

        Raises:
            DataError: naming file and record, if a checksum does not hold or the id is
                not that of the index.
        """
        shard, row, place, size = self._place(position)
        try:
            fields = tf_example.decode(self._open(shard).read(place, size))
            if fields["id"] != self._ids[position].encode():
                raise ValueError(f"{_OTHER_ID}, {fields['id']!r}")
            return fields
        except file_io.BROKEN as error:
            raise self._damage(shard, row, error) from error

    def video(self, position: int) -> VideoRecord:
        """The video record at `position`.

        Raises:
            DataError: if it is damaged or lacks a field.
        """
        fields = self[position]
        id, video = fields.get("id"), fields.get("video")
        label, num_frames = fields.get("label"), fields.get("num_frames")
        packets = fields.get("packets", b"")
        if (
            isinstance(id, bytes)
            and isinstance(video, bytes)
            and isinstance(label, int)
            and isinstance(num_frames, int)
            and isinstance(packets, bytes)
        ):
            return VideoRecord(id.decode(), video, label, num_frames, packets)
        raise errors.DataError(
            f"record {self._ids[position]!r} of {self._folder / self._stem} must hold "
            f"id, video (bytes), label, num_frames (int64), but it has {sorted(fields)}"
        )

    def jpeg_frames(self, position: int) -> jpeg_frames.JpegFrames | None:
        """The JPEG files of a video, each read and checked when it is used.

        None for other videos, for ArrayRecord files and where the record's head is
        damaged: `video` reads all of it, or states the damage.
        """
        shard, _, place, size = self._place(position)

        def read(start: int, stop: int) -> bytes:
            # opened here, since the files may have been closed meanwhile
            return self._open(shard).read_part(place, start, stop) or b""

        with contextlib.suppress(ValueError, OSError):
            head = read(0, min(size, _HEAD))
            start = head.find(jpeg_frames.MAGIC)  # the last field, by the sorted names
            id = tf_example.field("id", self._ids[position].encode())
            if start >= 0 and id in head[:start]:
                return jpeg_frames.open_frames(
                    size - start, lambda begin, end: read(start + begin, start + end)
                )
        return None

    def payloads(self) -> Iterator[bytes]:
        """Yields the serialised Example of every record in order, by one long read.

        Raises:
            DataError: naming file and record, if a checksum does not hold or the id is
                not that of the index.
        """
        for shard, path in enumerate(self._paths):
            row = 0
            try:
                for _, payload in record_files.PAYLOADS[path.suffix](path):
                    id = self._ids[int(self._starts[shard]) + row]
                    if tf_example.field("id", id.encode()) not in payload:
                        raise ValueError(_OTHER_ID)
                    yield payload
                    row += 1
            except (ValueError, OSError) as error:
                raise self._damage(shard, row, error) from error

    def close(self) -> None:
        """Closes the files; a later read reopens them."""
        with self._lock:
            while self._files:
                self._files.popitem()[1].close()

    def _place(self, position: int) -> tuple[int, int, int, int]:
        """The shard and row of a record, and the place and size of its payload."""
        if not 0 <= position < len(self):
            raise IndexError(f"record {position} of {len(self)}")
        shard = int(np.searchsorted(self._starts, position, side="right")) - 1
        row = position - int(self._starts[shard])
        place, size = self._places[shard][row].tolist()
        return shard, row, place, size

    def _damage(self, shard: int, row: int, error: Exception) -> errors.DataError:
        """The error of a record that cannot be read."""
        id = self._ids[int(self._starts[shard]) + row]
        path = self._paths[shard]
        return errors.DataError(
            f"{path}, record {row} (id {id!r}): "
            f"{error or 'not a tf.train.Example'}; the file is damaged, build or copy "
            f"it again{f', or {_repair(path)}' if _OTHER_ID in str(error) else ''}"
        )

    def _open(self, shard: int) -> record_files.Shard:
        with self._lock:
            if shard not in self._files:
                path = self._paths[shard]
                self._files[shard] = record_files.SHARDS[path.suffix](path)
            return self._files[shard]

    def __reduce__(self) -> tuple[type[Self], tuple[pathlib.Path, str]]:
        return type(self), (self._folder, self._stem)

    def __del__(self) -> None:
        if hasattr(self, "_lock"):  # the constructor may have raised
            self.close()


def rebuild_index(path: str | os.PathLike[str]) -> int:
    """Writes the index of the shard at `path`; returns the number of its records.

    It also serves files of the two formats from other programs, if they have the field
    `id`.

    Raises:
        DataError: if the shard is cut short, a checksum fails or an id is missing.
    """
    path = pathlib.Path(path)
    read = record_files.PAYLOADS.get(path.suffix, record_files.tfrecord_payloads)
    places, ids = [], []
    try:
        for place, payload in read(path):
            id = tf_example.decode(payload)["id"]
            if not isinstance(id, bytes):
                raise ValueError("field 'id' must be bytes")
            places.append((place, len(payload)))
            ids.append(id.decode())
    except (ValueError, LookupError, OSError) as error:
        raise errors.DataError(
            f"{path}, record {len(ids)}: {error}; the file is cut short or damaged, "
            "build or copy it again"
        ) from error
    _write_index(path, path.stat().st_size, places, ids)
    return len(ids)


def check_index(path: pathlib.Path) -> None:
    """Checks that the shard at `path` has an index for a file of its size.

    Raises:
        DataError: if not, with the command that repairs it.
    """
    _read_index(path)


def _repair(path: pathlib.Path) -> str:
    """How to make the index of a shard again."""
    return f"run {REINDEX_COMMAND} {shlex.quote(str(path.parent))}"


def _index_path(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(path.name + ".index")


def _write_index(
    path: pathlib.Path, size: int, places: Sequence[tuple[int, int]], ids: Sequence[str]
) -> None:
    names = "\n".join(ids).encode()
    table = np.array(places, "<u8").reshape(len(ids), 2)
    header = _INDEX_HEADER.pack(_INDEX_MAGIC, len(ids), size, len(names))
    with file_io.whole(_index_path(path)) as partial:
        partial.write_bytes(header + table.tobytes() + names)


def _read_index(path: pathlib.Path) -> _Index:
    """The index of the shard at `path`, checked against the shard's size."""
    repair = _repair(path)
    try:
        data = _index_path(path).read_bytes()
    except FileNotFoundError as error:
        raise errors.DataError(f"{path} has no index beside it; {repair}") from error
    if len(data) < _INDEX_HEADER.size or not data.startswith(_INDEX_MAGIC):
        raise errors.DataError(f"{_index_path(path)} is not an index; {repair}")
    _, count, size, name_bytes = _INDEX_HEADER.unpack_from(data)
    table_end = _INDEX_HEADER.size + 16 * count
    if len(data) != table_end + name_bytes:
        raise errors.DataError(f"{_index_path(path)} is cut short; {repair}")
    if (found := path.stat().st_size) != size:
        raise errors.DataError(
            f"{path} has {found} bytes, but {size} according to its index: the file is "
            f"cut short or was changed; copy it again, or {repair}"
        )
    table = np.frombuffer(data, "<u8", 2 * count, _INDEX_HEADER.size).reshape(count, 2)
    with file_io.reading(_index_path(path), repair):
        names = data[table_end:].decode()
    ids = names.split("\n") if count else []
    if len(ids) != count:
        raise errors.DataError(
            f"{_index_path(path)} lists {len(ids)} ids for {count} records; {repair}"
        )
    return _Index(table, ids)


def _shard_paths(folder: pathlib.Path, stem: str) -> list[pathlib.Path]:
    """The paths of all shards of `stem`, in order."""
    single = folder / f"{stem}.tfrecord"
    if single.is_file():
        return [single]
    names = os.listdir(folder) if folder.is_dir() else []
    found = sorted(
        name
        for name in names
        if name.startswith(f"{stem}-")
        and pathlib.PurePath(name).suffix in record_files.SHARDS
    )
    if not found:
        raise errors.DataError(f"no {stem}*.tfrecord or .array_record in {folder}")
    kind = pathlib.PurePath(found[0]).suffix
    total = found[0].removesuffix(kind).rpartition("-of-")[2]
    expected = [
        f"{stem}-{shard:05}-of-{total}{kind}"
        for shard in range(int(total) if total.isdigit() else 0)
    ]
    if found != expected:
        missing = sorted(set(expected) - set(found))
        fault = f"lacks {missing[0]}" if missing else f"mixes shards: {found[:3]}"
        raise errors.DataError(f"{folder} {fault}; build or copy the data set again")
    return [folder / name for name in found]
