"""Shared by the readers of lists: entries, files by name, lines, CSV and JSON items."""

import fractions
import functools
import json
import os
import pathlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from data_prep.lists import wanted_videos
from smad_jax import errors
from smad_jax.base import file_io, tables
from smad_jax.data import video

Item = Mapping[str, object]


class Listed(NamedTuple):
    """The content of one list.

    Attributes:
        entries: The wanted videos.
        classes: Class names in order, where the list has them.
        notes: Remarks for the user.
        edition: Of a data set whose labels were revised.
    """

    entries: list[wanted_videos.Entry]
    classes: Sequence[str] | None = None
    notes: Sequence[str] = ()
    edition: str = ""


class Files:
    """The videos below a folder, found by their names without extension.

    Args:
        root: The folder; searched at the first request.
        stored: Paths of the videos if they are in a data set instead.
    """

    def __init__(self, root: pathlib.Path, stored: Sequence[str] | None = None):
        self.root = root
        self._stored = stored

    def find(self, names: Sequence[str], label: str, where: str) -> str:
        """Returns the path, below the folder, of the video with one of `names`.

        Names have no extension. The first with a file counts; of several files the one
        in the named folder, or in the class's. Without any, the path is that of a
        missing file.

        Raises:
            DataError: if several files match.
        """
        for name in names:
            paths = self._paths.get(os.path.basename(name), [])
            if len(paths) > 1:
                exact = [path for path in paths if os.path.splitext(path)[0] == name]
                folder = _plain(label)
                inside = [
                    path
                    for path in paths
                    if folder in map(_plain, pathlib.PurePath(path).parts)
                ]
                paths = exact or inside or paths
            if len(paths) > 1:
                raise errors.DataError(
                    f"{where}: {name!r} could be {paths[0]!r} or {paths[1]!r}; keep "
                    "one of them"
                )
            if paths:
                return paths[0]
        return f"{names[0]}.mp4"

    def names(self, cell: str) -> bool:
        """Returns whether a cell names a video, perhaps without its ending."""
        name = os.path.basename(cell.replace("\\", "/"))
        return has_ending(cell) or (bool(name) and name in self._paths)

    def holds(self, cell: str) -> bool:
        """Returns whether a cell is the path of a video, perhaps without its ending."""
        cell = cell.replace("\\", "/")
        name = os.path.basename(cell)
        stems = name, os.path.splitext(name)[0]
        paths = [path for stem in stems for path in self._paths.get(stem, ())]
        return any(cell in (path, os.path.splitext(path)[0]) for path in paths)

    def with_id(self, youtube_id: str) -> list[str]:
        """Returns the paths of videos named by a YouTube id, with times or without."""
        return self._by_id.get(youtube_id, [])

    def spelt(self, path: str) -> str:
        """Returns a path as the files have it; accents may be written otherwise."""
        if path.isascii() or (self.root / path).exists():
            return path
        return self._spelling.get(unicodedata.normalize("NFC", path), path)

    @functools.cached_property
    def _spelling(self) -> dict[str, str]:
        """Paths with other signs than ASCII, by their composed form."""
        paths = (path for paths in self._paths.values() for path in paths)
        return {
            unicodedata.normalize("NFC", path): path
            for path in paths
            if not path.isascii()
        }

    @functools.cached_property
    def _paths(self) -> dict[str, list[str]]:
        """Paths by name without extension, in sorted order."""
        found: dict[str, list[str]] = {}
        names: Iterable[str] = sorted(self._stored or ())
        if self._stored is None:
            files = file_io.files_below(self.root)
            names = (path.relative_to(self.root).as_posix() for path in files)
        for path in names:
            stem, extension = os.path.splitext(os.path.basename(path))
            if extension.lower() in video.EXTENSIONS:
                found.setdefault(stem, []).append(path)
        return found

    @functools.cached_property
    def _by_id(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for stem, paths in self._paths.items():
            found.setdefault(re.sub(r"_\d{6}_\d{6}$", "", stem), []).extend(paths)
        return found


def has_ending(name: str) -> bool:
    """Returns whether a name ends as a video file or an image does."""
    return name.lower().endswith(video.ALL_EXTENSIONS)


def matches(
    path: pathlib.Path, pattern: str, form: str
) -> Iterator[tuple[str, re.Match[str]]]:
    """Yields `FILE, line N` and the match of each line with a pattern.

    Raises:
        DataError: naming a line without a match and the form that was expected.
    """
    for where, line in wanted_videos.numbered_lines(path):
        match = re.fullmatch(pattern, line)
        if not match:
            raise errors.DataError(f"{where}: expected {form}, found {line!r}")
        yield where, match


def items(path: pathlib.Path) -> Iterator[tuple[str, Item]]:
    """Yields `FILE, item N` and each item of a JSON list of objects.

    ActivityNet's objects by id in `database` become items with an `id`.

    Raises:
        DataError: if it is no such list.
    """
    try:
        content = json.loads(tables.content(path))
    except (ValueError, RecursionError) as error:
        raise errors.DataError(f"cannot read the list {path}: {error}") from error
    if isinstance(content, dict) and isinstance(content.get("database"), dict):
        content = [
            {**item, "id": id} if isinstance(item, dict) else item
            for id, item in content["database"].items()
        ]
    if not isinstance(content, list):
        raise errors.DataError(
            f"{path} must hold a JSON list, but it is a {type(content).__name__}"
        )
    for number, item in enumerate(content, start=1):
        if not isinstance(item, dict):
            raise errors.DataError(
                f"{path}, item {number}: expected an object, found {item!r}"
            )
        yield f"{path}, item {number}", item


def csv_rows(
    path: pathlib.Path, columns: Sequence[str]
) -> Iterator[tuple[str, list[str]]]:
    """Yields `FILE, line N` and the cells of these columns of a CSV file.

    Its first line names the columns, in upper or lower case; `columns` in lower case.

    Raises:
        DataError: if a column is missing, or naming a line with more or fewer cells.
    """
    lines = iter(wanted_videos.numbered_lines(path))
    where, header = next(lines, (f"{path}, line 1", ""))
    names = [name.lower() for name in tables.cells(header, ",", where)]
    if missing := [name for name in columns if name not in names]:
        raise errors.DataError(
            f"{where}: no column {missing[0]!r} among {', '.join(names)}; expected "
            f"{', '.join(columns)}"
        )
    for where, line in lines:
        cells = tables.cells(line, ",", where)
        if len(cells) != len(names):
            raise errors.DataError(
                f"{where}: expected {len(names)} columns, found {len(cells)}: {line!r}"
            )
        yield where, [cells[names.index(name)] for name in columns]


def text(item: Item, key: str, where: str) -> str:
    """Returns a name in a JSON item, or raises DataError if there is none."""
    value = item.get(key)
    if not isinstance(value, str) or not value.strip():
        raise errors.DataError(f"{where}: {key} must be a name, not {value!r}")
    return value


def whole(item: Item, key: str, where: str) -> int:
    """Returns a whole number in a JSON item, or raises DataError if there is none."""
    value = item.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise errors.DataError(f"{where}: {key} must be a whole number, not {value!r}")
    return value


def seconds(text: str, where: str) -> fractions.Fraction:
    """Returns a time, or raises DataError if `text` is no number."""
    try:
        return fractions.Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise errors.DataError(f"{where}: {text!r} is no time in seconds") from error


def _plain(name: str) -> str:
    """A class name in the letters that folders share."""
    return re.sub(r"[^\w]", "", name.replace("_", " ").lower())
