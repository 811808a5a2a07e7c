"""Data sets on disk: one folder each, its splits, and the aspect labels joined by id.

    <data_root>/<name>/dataset.json               classes, aspects, recipe; written last
                       videos-*.tfrecord          every video once (`records`)
                       splits/<split>.txt         lines of `id label`
                       splits/<split>.classes.txt that split's own class names, optional
                       aspects/<aspect>.tfrecord  one label vector for each id
                       aspects/<aspect>.names.txt names of its labels, optional
                       copies.jsonl               ids of each group of copies, optional

A split is a list, so another selection of videos, numbering of classes or set of
pseudo-labels costs kilobytes, never a copy of the videos.
"""

import contextlib
import dataclasses
import difflib
import glob
import hashlib
import json
import math
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from smad_jax import errors
from smad_jax.base import aspect_names, aspect_table, file_io
from smad_jax.data import (
    aspect_records,
    jpeg_frames,
    label_names,
    preparation,
    records,
)

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]

_SPLIT_AGAIN = "write the split again, or copy it from where it was made"
_CACHED_BYTES = 32 << 20  # aspect labels larger than this are mapped, not loaded


class MissingDataError(errors.DataError):
    """A data set, a split or labels are missing.

    Attributes:
        missing: Description of what is missing.
        steps: Shell lines that prepare it, from `preparation.commands`.
    """

    def __init__(self, missing: str, steps: Sequence[str]):
        lines = [f"{missing}; to prepare it:", *steps] if steps else [missing]
        super().__init__("\n    ".join(lines))
        self.missing = missing
        self.steps = tuple(steps)


class StoredVideo(NamedTuple):
    """One video of a split: as in its record.

    Attributes:
        video: The encoded file.
        num_frames: Frames that decode, 0 if unknown.
        packets: Where its packets lie, empty if unknown.
        frames: Its JPEG files, to be read one by one; `video` is empty then.
        stride: Frames from one stored picture to the next, which is shown again for
            those between.
    """

    video: bytes
    num_frames: int
    packets: bytes = b""
    frames: jpeg_frames.JpegFrames | None = None
    stride: int = 1


class Reader(Protocol):
    """The source of a split's videos: records, or loose files on disk."""

    def video(self, position: int) -> records.VideoRecord:
        """The video at `position`; DataError if it cannot be read."""
        ...

    def jpeg_frames(self, position: int) -> jpeg_frames.JpegFrames | None:
        """The JPEG files of the video at `position`; None if it must be read whole."""
        ...


@dataclasses.dataclass(frozen=True)
class DatasetFile:
    """The content of `dataset.json`.

    Attributes:
        name: The data set's name, equal to its folder's.
        classes: Class names; a label is a position in them.
        num_videos: Number of stored videos.
        aspects: The aspects with labels, by name.
        recipe: How the data set was built, as its builder recorded it.
    """

    name: str
    classes: tuple[str, ...]
    num_videos: int
    aspects: Mapping[str, aspect_table.Aspect]
    recipe: Mapping[str, Json]


@dataclasses.dataclass(frozen=True)
class Split:
    """A list of V videos with their labels, and access to the encoded files.

    Attributes:
        dataset: Name of the data set.
        name: Name of the split.
        ids: [V] video ids, in the order of the list.
        labels: [V] int32, positions in `classes`.
        classes: [K] class names of this split's numbering.
        aspects: The requested aspects, by name.
        aspect_labels: By aspect, [V, Z] float16; zeros where there is no label.
        aspect_mask: By aspect, [V] bool; False where there is no label.
        reader: The videos.
        positions: [V] int64, the record of each video in `reader`.
    """

    dataset: str
    name: str
    ids: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    aspects: Mapping[str, aspect_table.Aspect]
    aspect_labels: Mapping[str, np.ndarray]
    aspect_mask: Mapping[str, np.ndarray]
    reader: Reader
    positions: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def video(self, index: int) -> StoredVideo:
        """The encoded video in row `index`, its frame count and packets.

        Raises:
            DataError: if its record is damaged.
        """
        record = self.reader.video(int(self.positions[index]))
        return StoredVideo(
            record.video,
            record.num_frames,
            record.packets,
            stride=jpeg_frames.stride(record.video),
        )

    def open(self, index: int) -> StoredVideo:
        """The same, but no frame is read yet where frames can be read one by one.

        Raises:
            DataError: if its record is damaged.
        """
        frames = self.reader.jpeg_frames(int(self.positions[index]))
        if frames is None:
            return self.video(index)
        return StoredVideo(b"", frames.num_frames, b"", frames, frames.stride)


def open_split(
    data_root: str | os.PathLike[str],
    dataset: str,
    split: str,
    *,
    aspects: Iterable[str] = (),
    require_all_classes: bool = False,
) -> Split:
    """Opens a split, checks every line of its list and joins its aspect labels.

    Args:
        data_root: The folder that holds the data sets.
        dataset: The data set's name.
        split: The split's name, `train` for instance.
        aspects: Names of the aspects whose labels to join.
        require_all_classes: Whether a class without videos is an error, as in training.

    Raises:
        MissingDataError: if something is missing; it lists the alternatives and the
            commands that make it.
        DataError: if a line of the list breaks a rule.
    """
    folder = pathlib.Path(data_root) / dataset
    aspects = tuple(aspects)
    if missing := _missing(folder, split, aspects):
        steps = preparation.commands(data_root, dataset, split, aspects=aspects)
        raise MissingDataError(missing, steps)
    facts = read_dataset_file(folder)
    path = folder / "splits" / f"{split}.txt"
    classes = read_classes(folder, split)
    reader = records.RecordReader(folder, "videos")
    position_of = {id: position for position, id in enumerate(reader.ids)}
    ids, labels = _read_list(path, len(classes), position_of)
    if require_all_classes:
        _check_all_classes(path, labels, classes)
    joined = {name: _join_aspect(folder, facts, name, split, ids) for name in aspects}
    return Split(
        # the folder's, not the file's: commands write beside what was read
        dataset=dataset,
        name=split,
        ids=tuple(ids),
        labels=labels,
        classes=classes,
        aspects={name: aspect for name, (aspect, _, _) in joined.items()},
        aspect_labels={name: values for name, (_, values, _) in joined.items()},
        aspect_mask={name: mask for name, (_, _, mask) in joined.items()},
        reader=reader,
        positions=np.array([position_of[id] for id in ids], np.int64),
    )


def read_classes(folder: str | os.PathLike[str], split: str) -> tuple[str, ...]:
    """Returns the class names of a split's numbering: its own, or the data set's.

    Raises:
        DataError: if there is no such data set.
    """
    path = pathlib.Path(folder) / "splits" / f"{split}.classes.txt"
    if path.is_file():
        with file_io.reading(path, _SPLIT_AGAIN):
            return tuple(path.read_text("utf-8").splitlines())
    return read_dataset_file(folder).classes


def labelled_aspects(folder: str | os.PathLike[str]) -> tuple[str, ...]:
    """Returns the names of the labelled aspects of a data set, sorted."""
    found = (pathlib.Path(folder) / "aspects").glob("*.tfrecord")
    return tuple(sorted(path.stem for path in found))


def write_split(
    folder: str | os.PathLike[str],
    split: str,
    ids: Sequence[str],
    labels: Sequence[int] | np.ndarray,
    classes: Sequence[str] | None = None,
) -> pathlib.Path:
    """Writes the list of a split, and its own class names if given; returns its path.

    Args:
        folder: The data set's folder.
        split: The split's name.
        ids: [V] video ids.
        labels: [V] class of each, counted from 0.
        classes: Class names of this numbering; None for those of the data set.

    Raises:
        DataError: if the lengths disagree or an id holds a line break.
    """
    if len(ids) != len(labels):
        raise errors.DataError(
            f"split {split!r} has {len(ids)} ids but {len(labels)} labels"
        )
    for id in ids:
        if not id.strip() or "\n" in id or "\r" in id:
            raise errors.DataError(
                f"id {id!r} of split {split!r} must be a single line"
            )
    path = pathlib.Path(folder) / "splits" / f"{split}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    classes_path = path.with_name(f"{split}.classes.txt")
    if classes is not None:
        file_io.write_text(classes_path, "".join(f"{name}\n" for name in classes))
    else:
        classes_path.unlink(missing_ok=True)
    lines = (f"{id} {int(label)}\n" for id, label in zip(ids, labels, strict=True))
    file_io.write_text(path, "".join(lines))
    return path


def write_dataset_file(
    folder: str | os.PathLike[str],
    *,
    name: str,
    classes: Sequence[str],
    num_videos: int,
    aspects: Mapping[str, aspect_table.Aspect] | None = None,
    recipe: Mapping[str, Json] | None = None,
) -> pathlib.Path:
    """Writes `dataset.json`, which declares the data set complete; returns its path."""
    content = {
        "name": name,
        "classes": list(classes),
        "num_videos": int(num_videos),
        "aspects": {
            aspect.name: {
                "kind": aspect.kind,
                "num_labels": aspect.num_labels,
                "source": aspect.source,
            }
            for aspect in (aspects or {}).values()
        },
        "recipe": dict(recipe or {}),
    }
    path = pathlib.Path(folder) / "dataset.json"
    file_io.write_json(path, content)
    return path


def read_dataset_file(folder: str | os.PathLike[str]) -> DatasetFile:
    """Returns the content of `<folder>/dataset.json`.

    Raises:
        MissingDataError: if it is missing, naming the data sets that exist.
        DataError: if it is malformed.
    """
    folder = pathlib.Path(folder)
    path = folder / "dataset.json"
    if not path.is_file():
        steps = preparation.commands(folder.parent, folder.name, "train")
        raise MissingDataError(_missing_dataset(folder), steps)
    advice = "build the data set again"
    content = file_io.read_json(path, advice)
    with file_io.reading(path, advice):
        name, classes = content["name"], content["classes"]
        # As a path, such a name would make commands write into another folder.
        if not isinstance(name, str) or pathlib.PurePath(name).name != name or not name:
            raise ValueError(f"the name {name!r} is not that of a folder")
        if not isinstance(classes, list) or not all(
            isinstance(one, str) for one in classes
        ):
            raise ValueError("the classes are no list of names")
        found = {
            aspect: aspect_table.Aspect(
                aspect, row["kind"], int(row["num_labels"]), row["source"]
            )
            for aspect, row in content["aspects"].items()
        }
        return DatasetFile(
            name=name,
            classes=tuple(classes),
            num_videos=int(content["num_videos"]),
            aspects=found,
            recipe=content["recipe"],
        )


def add_aspect(
    folder: str | os.PathLike[str],
    aspect: aspect_table.Aspect,
    ids: Sequence[str],
    values: np.ndarray,
    names: Sequence[str] = (),
) -> None:
    """Stores labels of one aspect and enters it in `dataset.json`.

    Args:
        folder: The folder of a complete data set.
        aspect: Name, kind, Z and source of the labels.
        ids: [V] video ids.
        values: [V, Z].
        names: [Z] names of the labels; empty if unknown.

    Raises:
        DataError: if there is no such data set or the shapes disagree.
    """
    read_dataset_file(folder)
    if np.ndim(values) != 2 or np.shape(values)[1] != aspect.num_labels:
        raise errors.DataError(
            f"labels of {aspect.name!r} must be [V, {aspect.num_labels}], but they are "
            f"{list(np.shape(values))}"
        )
    with _changing_aspects(folder):
        label_names.store(folder, aspect.name, ())  # of the labels before
        aspect_records.write(folder, aspect.name, ids, values)
        _enter(folder, aspect, names)


def write_copies(folder: pathlib.Path, groups: Sequence[Sequence[str]]) -> None:
    """Stores which videos are copies, or clips of one recording; nothing for none."""
    if groups:
        lines = (json.dumps(list(ids), ensure_ascii=False) + "\n" for ids in groups)
        file_io.write_text(folder / "copies.jsonl", "".join(lines))


def read_copies(folder: pathlib.Path) -> list[list[str]]:
    """Returns the ids of each group of copies; none for an older data set.

    Raises:
        DataError: if the file is damaged.
    """
    path = folder / "copies.jsonl"
    if not path.is_file():
        return []
    with file_io.reading(path, "build the data set again"):
        groups = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        for ids in groups:
            if not isinstance(ids, list) or not all(isinstance(id, str) for id in ids):
                raise TypeError(f"{ids!r} is no list of ids")
        return groups


def enter_aspect(
    folder: str | os.PathLike[str],
    aspect: aspect_table.Aspect,
    names: Sequence[str] = (),
) -> None:
    """Enters an aspect with stored labels in `dataset.json`.

    Args:
        folder: The folder of a complete data set.
        aspect: Name, kind, Z and source of the labels.
        names: [Z] names of the labels, which replace any earlier ones.

    Raises:
        DataError: if there is no such data set.
    """
    read_dataset_file(folder)  # before anything is written there
    with _changing_aspects(folder):
        _enter(folder, aspect, names)


def _changing_aspects(
    folder: str | os.PathLike[str],
) -> contextlib.AbstractContextManager[None]:
    return file_io.taking_turns(pathlib.Path(folder) / ".aspects.lock")


def _enter(
    folder: str | os.PathLike[str], aspect: aspect_table.Aspect, names: Sequence[str]
) -> None:
    facts = read_dataset_file(folder)
    label_names.store(folder, aspect.name, names)
    write_dataset_file(
        folder,
        name=facts.name,
        classes=facts.classes,
        num_videos=facts.num_videos,
        aspects={**facts.aspects, aspect.name: aspect},
        recipe=facts.recipe,
    )


def _read_list(
    path: pathlib.Path, num_classes: int, position_of: Mapping[str, int]
) -> tuple[list[str], np.ndarray]:
    """Ids and [V] int32 labels of a list file, each line checked."""
    label_of: dict[str, int] = {}
    ids, labels = [], []
    with file_io.reading(path, _SPLIT_AGAIN):
        lines = path.read_text("utf-8").split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        id, _, text = line.rstrip().rpartition(" ")
        where = f"{path}, line {number}"
        if not id or not text.isascii() or not text.removeprefix("-").isdigit():
            raise errors.DataError(f"{where}: expected `id label`, found {line!r}")
        label = int(text)
        if not 0 <= label < num_classes:
            raise errors.DataError(
                f"{where}: label {label} of {id!r} must be 0 to {num_classes - 1}, the "
                f"data set has {num_classes} classes counted from 0"
            )
        if id not in position_of:
            near = difflib.get_close_matches(id, position_of, 1)
            raise errors.DataError(
                f"{where}: no record has the id {id!r}"
                + (f"; did you mean {near[0]!r}?" if near else "")
            )
        if label_of.setdefault(id, label) != label:
            raise errors.DataError(
                f"{where}: {id!r} has label {label}, but {label_of[id]} on an earlier "
                "line; a video has one label"
            )
        ids.append(id)
        labels.append(label)
    if not ids:
        raise errors.DataError(f"{path} lists no video")
    return ids, np.array(labels, np.int32)


def _check_all_classes(
    path: pathlib.Path, labels: np.ndarray, classes: Sequence[str]
) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    if empty := [classes[int(label)] for label in np.flatnonzero(counts == 0)]:
        raise errors.DataError(
            f"{path}: {len(empty)} of {len(classes)} classes have no video, for "
            f"instance {', '.join(map(repr, empty[:5]))}; every class of a training "
            "split needs one"
        )


def _join_aspect(
    folder: pathlib.Path, facts: DatasetFile, name: str, split: str, ids: Sequence[str]
) -> tuple[aspect_table.Aspect, np.ndarray, np.ndarray]:
    """The aspect, its labels [V, Z] float16 for `ids`, and the [V] mask."""
    path = _aspect_path(folder, name)
    stored = aspect_records.AspectReader(folder, name)
    row_of = {id: row for row, id in enumerate(stored.ids)}
    rows = np.array([row_of.get(id, -1) for id in ids], np.int64)
    values = _joined_values(path, split, stored, rows)
    aspect = facts.aspects.get(name)
    if aspect is None:  # labels copied there by hand
        aspect = aspect_names.get(name)
        aspect = dataclasses.replace(aspect, num_labels=values.shape[1])
    if values.shape[1] != aspect.num_labels:
        raise errors.DataError(
            f"{path} has {values.shape[1]} labels for each video, but dataset.json has "
            f"{aspect.num_labels}; label the data set again"
        )
    return aspect, values, rows >= 0


def _joined_values(
    path: pathlib.Path,
    split: str,
    stored: aspect_records.AspectReader,
    rows: np.ndarray,
) -> np.ndarray:
    """[V, Z] labels in the split's order, mapped from a cache file where large."""
    shape = (len(rows), stored.num_labels)
    is_large = np.dtype(np.float16).itemsize * math.prod(shape) > _CACHED_BYTES
    state = path.stat()
    key = hashlib.sha256(rows.tobytes())
    key.update(f"{state.st_size} {state.st_mtime_ns}".encode())
    prefix = f".{path.stem}.{split}."
    cache = path.with_name(f"{prefix}{key.hexdigest()[:16]}.npy")
    if is_large:
        # Missing or damaged, it is made again.
        with contextlib.suppress(*file_io.BROKEN):
            values = np.load(cache, mmap_mode="r")
            if (values.shape, values.dtype) == (shape, np.float16):
                return values
    if not is_large or not os.access(path.parent, os.W_OK):
        values = np.zeros(shape, np.float16)
        _fill(values, stored, rows)
        return values
    partial = file_io.partial_path(cache)
    try:
        values = np.lib.format.open_memmap(partial, "w+", np.float16, shape)
        with open(partial, "r+b") as file:  # on a full disk, writing a map is SIGBUS
            os.posix_fallocate(file.fileno(), 0, partial.stat().st_size)
        _fill(values, stored, rows)
        values.flush()
        # mapped before it gets the name by which another process may remove it
        values = np.load(partial, mmap_mode="r")
        os.replace(partial, cache)
    finally:
        partial.unlink(missing_ok=True)
    # another process may have published the same cache meanwhile; keep that name
    for old in path.parent.glob(f"{glob.escape(prefix)}{'[0-9a-f]' * 16}.npy"):
        if old != cache:
            old.unlink(missing_ok=True)
    return values


def _fill(
    values: np.ndarray, stored: aspect_records.AspectReader, rows: np.ndarray
) -> None:
    """Copies the stored row `rows[i]` to row i, unless `rows[i]` is negative."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    start = 0
    for block in stored.blocks():
        first, last = np.searchsorted(ordered, (start, start + len(block)))
        values[order[first:last]] = block[ordered[first:last] - start]
        start += len(block)


def _aspect_path(folder: pathlib.Path, aspect: str) -> pathlib.Path:
    return folder / "aspects" / f"{aspect}.tfrecord"


def _missing(folder: pathlib.Path, split: str, aspects: Sequence[str]) -> str:
    """What is missing first, and what exists instead; empty if nothing is."""
    if not (folder / "dataset.json").is_file():
        return _missing_dataset(folder)
    path = folder / "splits" / f"{split}.txt"
    if not path.is_file():
        known = [file.stem for file in path.parent.glob("*.txt")]
        known = [name for name in known if not name.endswith(".classes")]
        return f"no split {split!r} in {folder}; {_there(split, known)}"
    for name in aspects:
        path = _aspect_path(folder, name)
        if not path.is_file():
            known = [file.stem for file in path.parent.glob("*.tfrecord")]
            return f"no labels for {name!r} in {folder}; {_there(name, known)}"
    return ""


def _missing_dataset(folder: pathlib.Path) -> str:
    """The message that `folder` is no data set, with those beside it."""
    known = [path.parent.name for path in folder.parent.glob("*/dataset.json")]
    state = "is incomplete (no dataset.json)" if folder.is_dir() else "does not exist"
    return f"data set {folder} {state}; {_there(folder.name, known)}"


def _there(name: str, known: Sequence[str]) -> str:
    """The known names, after a near match to `name` if there is one."""
    if not known:
        return "there is none"
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}there is: {', '.join(sorted(known))}"
