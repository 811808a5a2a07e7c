"""Lists of videos and their classes: tables, or `relative/path label` lines.

A header or the cells show which column is which: names of video files, words such as
`train`, numbers. A list that can be read in two ways is refused, by line and column,
before any video is opened.
"""

import collections
import pathlib
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from data_prep.lists import list_readers, wanted_videos
from smad_jax import errors
from smad_jax.base import tables
from smad_jax.data import video

_ENDINGS = "|".join(map(re.escape, video.ALL_EXTENSIONS))
LIST_LINE = re.compile(
    rf"(?P<path>.*({_ENDINGS}))\s*[\s,]\s*(?P<label>\S.*)", re.IGNORECASE
)
_LOOKED_AT = 100  # lines that show what a column holds
# What headers call the columns, in lower case without signs.
_PATHS = (
    "path file filename filepath filenames video videopath videofile videoname videoid "
    "clip clippath name id youtubeid vidname relativepath"
).split()
_LABELS = (
    "label labels class classes classname action category target y classid".split()
)
_PARTS = "split subset set part partition fold usage phase".split()
_NAMES = {*_PATHS, *_LABELS, *_PARTS}

Lines = Sequence[tuple[int, str]]  # number and text of each


class _Row(NamedTuple):
    """A line of a list: where it is, and its cells."""

    where: str
    cells: list[str]


class _Columns(NamedTuple):
    """Places of the columns that are used, and names of those passed over."""

    path: int
    label: int
    part: int | None
    passed: tuple[str, ...]


def read(path: pathlib.Path, files: list_readers.Files) -> list_readers.Listed:
    """Reads a table of videos and classes, or lines of `relative/path label`.

    Paths become those of `files`, with slashes and endings.

    Raises:
        DataError: naming the line that breaks a rule, or the columns that could each
            be the class.
    """
    lines = _lines(path)
    table = _table(path, lines, files)
    entries, notes = (_plain_entries(path, lines), []) if table is None else table
    return list_readers.Listed([_found(entry, files) for entry in entries], notes=notes)


def read_list(path: pathlib.Path) -> list[wanted_videos.Entry]:
    """Returns the entries of a list file, `relative/path label` per line.

    A comma or tab may separate the two, and quotes enclose them as in CSV. Names may
    hold spaces; the label follows the file's extension, or the last space where there
    is none. Lines that begin with `# ` are comments.

    Raises:
        DataError: naming file, line and rule.
    """
    return _plain_entries(path, _lines(path))


def part(name: str, where: str) -> str:
    """Returns our name of a part of a data set; raises DataError if it is unknown."""
    known = wanted_videos.PARTS
    if name.lower() not in known:
        raise errors.DataError(
            f"{where}: unknown split {name!r}; known: {', '.join(sorted(known))}"
        )
    return known[name.lower()]


def _lines(path: pathlib.Path) -> Lines:
    """The lines that are neither blank nor comments.

    A comment begins with a hash; so may the name of a file.
    """
    lines = [
        (number, text)
        for number, text in tables.lines(path)
        if not text.startswith("#") or LIST_LINE.fullmatch(text)
    ]
    if lines and re.match(r'[\[{]\s*["\[{]', lines[0][1]):
        raise errors.DataError(
            f"{path}, line {lines[0][0]} is JSON; write the list as CSV, `path,label`"
        )
    return lines


def _table(
    path: pathlib.Path, lines: Lines, files: list_readers.Files
) -> tuple[list[wanted_videos.Entry], list[str]] | None:
    """The entries of a table and notes on its reading; None if it is no table."""
    stated = re.fullmatch("sep=(.)", lines[0][1]) if lines else None  # Excel's
    lines = lines[1:] if stated else lines
    for mark in stated[1] if stated else tables.SEPARATORS:
        head = _split(path, lines[:_LOOKED_AT], mark)  # there may be a million lines
        widths = collections.Counter(len(row.cells) for row in head)
        width = max(widths, key=widths.__getitem__, default=0)
        if width < 2:
            continue
        place = _path_column([row for row in head if len(row.cells) == width], files)
        if place is None:
            continue
        rows = _split(path, lines, mark)
        for row in rows:
            if len(row.cells) != width:
                raise errors.DataError(
                    f"{row.where}: {len(row.cells)} columns, other lines have {width}"
                )
        header = None
        if _is_header(rows[0].cells, rows[1:_LOOKED_AT], place, files.names):
            header, rows = rows[0], rows[1:]
        if not rows:
            raise errors.DataError(f"the list {path} is empty")
        columns = _find_columns(header, rows, place)
        return [_entry(row, columns) for row in rows], _notes(path, header, columns)
    return None


def _split(path: pathlib.Path, lines: Lines, mark: str) -> list[_Row]:
    """The cells of lines, in quotes or not."""
    places = [f"{path}, line {number}" for number, _ in lines]
    return [
        _Row(where, tables.cells(text, mark, where))
        for where, (_, text) in zip(places, lines, strict=True)
    ]


def _path_column(rows: Sequence[_Row], files: list_readers.Files) -> int | None:
    """The column whose cells name videos, or whose header does; None without one.

    A list may name some videos that are missing, whose names without ending then show
    nothing. A number may name a video and be a label: of several columns those count
    that the header names, then those with endings, then those with whole paths.

    Raises:
        DataError: if several columns are left.
    """
    if not rows:
        return None
    below = rows[1:] or rows
    named = [p for p, cell in enumerate(rows[0].cells) if _plain(cell) in _PATHS]

    def mostly(test: Callable[[str], bool]) -> list[int]:
        """The columns but labels in which at least half of the cells pass."""
        return [
            place
            for place, name in enumerate(rows[0].cells)
            if _plain(name) not in _LABELS
            and 2 * sum(test(row.cells[place]) for row in below) >= len(below)
        ]

    found = mostly(files.names)
    if not found:
        return named[0] if len(named) == 1 else None
    for better in (named, mostly(list_readers.has_ending), mostly(files.holds)):
        found = [place for place in found if place in better] or found
    if len(found) > 1:
        shown = ", ".join(f"{p + 1} ({rows[0].cells[p]!r})" for p in found)
        raise errors.DataError(
            f"{rows[0].where}: columns {shown} could each be the video; call one of "
            "them `path` in a header"
        )
    return found[0]


def _is_header(
    first: Sequence[str],
    others: Sequence[_Row],
    place: int,
    is_video: Callable[[str], bool],
) -> bool:
    """Whether the first cells name columns; the videos are in the one at `place`.

    The first video may be missing, and its class may be called `action`.
    """
    if is_video(first[place]):
        return False
    recurs = any(
        cell and cell == row.cells[p] for row in others for p, cell in enumerate(first)
    )
    names = [_plain(cell) for cell in first]
    return names[place] in _PATHS or (not recurs and not _NAMES.isdisjoint(names))


def _find_columns(header: _Row | None, rows: Sequence[_Row], path: int) -> _Columns:
    """Finds the other columns by their names in the header, or else by their cells."""
    first = header or rows[0]
    names = [_plain(cell) if header else "" for cell in first.cells]
    rest = [p for p in range(len(names)) if p != path and any(r.cells[p] for r in rows)]
    named = [place for place in rest if names[place] in _LABELS]
    parts = [p for p in rest if names[p] in _PARTS or _are_parts(rows, p)]
    part = next((p for p in parts if p not in named and len(rest) > 1), None)
    labels = named or _possible_labels(rows, [p for p in rest if p != part], names)
    if len(labels) != 1:
        shown = ", ".join(f"{p + 1} ({first.cells[p]!r})" for p in labels or rest)
        raise errors.DataError(
            f"{first.where}: columns {shown} could each be the class; keep one of "
            "them, or call it `label` in a header"
            if labels or rest
            else f"{first.where}: a video and its class are needed"
        )
    passed = [first.cells[p] for p in rest if p not in (labels[0], part)]
    return _Columns(path, labels[0], part, tuple(passed))


def _possible_labels(
    rows: Sequence[_Row], places: Sequence[int], names: Sequence[str]
) -> list[int]:
    """Columns that may be the class: neither files nor counts beside one of names.

    Raises:
        DataError: if there are several columns of numbers and nothing else.
    """
    looked_at = rows[:_LOOKED_AT]
    left = [
        place
        for place in places
        if not all(list_readers.has_ending(row.cells[place]) for row in looked_at)
        and not _numbers_rows(looked_at, place, names[place])
    ] or list(places)
    numeric = [p for p in left if all(_is_number(row.cells[p]) for row in looked_at)]
    if len(left) > 1 and len(numeric) == len(left):
        raise errors.DataError(
            f"{rows[0].where}: {rows[0].cells[0]!r} has {len(left)} labels; one video "
            "has one label, so name the columns in a header if only one of them is "
            "the class"
        )
    words = [place for place in left if place not in numeric]
    return words if len(words) == 1 else left


def _numbers_rows(rows: Sequence[_Row], place: int, name: str) -> bool:
    """Whether the first column, without a name, counts the rows as pandas does."""
    cells = [row.cells[place] for row in rows]
    return (
        place == 0
        and name in ("", "unnamed0", "index")
        and len(cells) > 1
        and any(
            cells == [str(n + start) for n in range(len(cells))] for start in (0, 1)
        )
    )


def _are_parts(rows: Sequence[_Row], place: int) -> bool:
    """Whether a column names the part of the data set of each video."""
    return all(
        row.cells[place].lower() in wanted_videos.PARTS for row in rows[:_LOOKED_AT]
    )


def _notes(path: pathlib.Path, header: _Row | None, columns: _Columns) -> list[str]:
    """What a user should know of how a table was read."""
    notes = [f"{header.where} is read as a header"] if header else []
    if columns.label < columns.path:
        notes.append(f"{path}: the class stands before the video")
    if columns.passed:
        names = ", ".join(map(repr, columns.passed))
        notes.append(f"{path}: columns passed over: {names}")
    return notes


def _entry(row: _Row, columns: _Columns) -> wanted_videos.Entry:
    """The wanted video of a row."""
    name, class_name = row.cells[columns.path], row.cells[columns.label]
    if not name or not class_name:
        raise errors.DataError(f"{row.where}: a video and its class are needed")
    stated = "" if columns.part is None else row.cells[columns.part]
    split = part(stated, row.where) if stated else ""
    return wanted_videos.Entry(name, class_name, row.where, split)


def _plain_entries(path: pathlib.Path, lines: Lines) -> list[wanted_videos.Entry]:
    """The entries of `relative/path label` lines."""
    entries = []
    for number, line in lines:
        where = f"{path}, line {number}"
        names = [_plain(word) for word in re.split(r"[\s,]+", line)]
        if not entries and len(names) > 1 and _NAMES.issuperset(names):
            continue  # a header
        if line.startswith('"'):
            cells = tables.cells(line, ",", where)
            name, label = cells if len(cells) == 2 else ("", "")
        elif match := LIST_LINE.fullmatch(line):
            name, label = match["path"], match["label"]
        else:
            separators = [mark for mark in "\t ," if mark in line.strip()]
            name, _, label = line.rpartition((separators or [" "])[0])
        if not name.strip() or not label.strip():
            raise errors.DataError(
                f"{where}: expected `relative/path label`, found {line!r}"
            )
        words = label.split()
        if len(words) > 1 and all(
            _is_number(word) or word.lower() in wanted_videos.PARTS for word in words
        ):
            raise errors.DataError(
                f"{where}: {name!r} has the labels {label!r}; one video has one label, "
                "and a list with more columns needs commas or tabs between them"
            )
        entries.append(wanted_videos.Entry(name, label.strip(), where))
    if not entries:
        raise errors.DataError(f"the list {path} is empty")
    return entries


def _found(
    entry: wanted_videos.Entry, files: list_readers.Files
) -> wanted_videos.Entry:
    """The entry with its path as the folder has it, and its label as it is meant."""
    name, label = entry.id, entry.label
    if "\\" in name and not (files.root / name).exists():  # written by Windows
        name = name.replace("\\", "/")
    ended = list_readers.has_ending(name) or (files.root / name).is_file()
    if not ended and files.names(name):
        name = files.find([name], label, entry.where)
    if _is_number(label):  # pandas writes whole numbers as `2.0`
        label = re.sub(r"\.0+$", "", label)
    return entry._replace(id=name, label=label)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _is_number(cell: str) -> bool:
    return bool(re.fullmatch(r"-?\d+(\.\d+)?", cell))
