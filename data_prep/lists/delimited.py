"""Lists with the cells of a table: a video, its class, and perhaps what it is for.

Which column is which is read from a header, or seen in the cells: names of video files,
words such as `train`, numbers. A table in which two readings are possible is refused,
by line and column, before any video is opened.
"""

import collections
import csv
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from data_prep.lists import wanted_videos
from smad_jax import errors
from smad_jax.data import video

_ENDINGS = (*video.EXTENSIONS, *video.IMAGE_EXTENSIONS)
_SEPARATORS = ",;\t|"
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
# What parts of a data set are called in cells and folders, and their name here.
PARTS = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "val",
    "valid": "val",
    "validate": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "tst": "test",
}


class Row(NamedTuple):
    """A line of a list, its number and its cells."""

    number: int
    cells: list[str]


class Columns(NamedTuple):
    """Places of the columns that are used, and those that are passed over."""

    path: int
    label: int
    part: int | None = None
    passed: tuple[str, ...] = ()


class Table(NamedTuple):
    """The rows of a list below its header, and what its columns are."""

    rows: list[Row]
    columns: Columns
    notes: tuple[str, ...]


def read(
    where: str, lines: Sequence[tuple[int, str]], is_video: Callable[[str], bool]
) -> Table | None:
    """Returns the table in the lines of a list; None if they are no table of videos.

    Args:
        where: Name of the list, for messages.
        lines: Number and text of each line that is not blank.
        is_video: Whether a cell names a video, with or without its ending.

    Raises:
        DataError: naming the line whose cells are too many or too few, or the columns
            that could each be the label.
    """
    for mark in _SEPARATORS:
        head = _split(lines[:_LOOKED_AT], mark)  # a list may have a million lines
        widths = collections.Counter(len(row.cells) for row in head)
        width = widths.most_common(1)[0][0]
        if width < 2:
            continue
        paths = _path_columns(head[1:] or head, width, is_video)
        if not paths:
            continue
        rows = _split(lines, mark)
        for row in rows:
            if len(row.cells) != width:
                raise errors.DataError(
                    f"{where}, line {row.number}: {len(row.cells)} columns, other "
                    f"lines have {width}"
                )
        header = None
        if len(rows) > 1 and not is_video(rows[0].cells[paths[0]]):
            header, rows = rows[0], rows[1:]
        columns = _find_columns(where, header, rows, paths)
        return Table(rows, columns, tuple(_notes(header, columns)))
    return None


def _split(lines: Sequence[tuple[int, str]], mark: str) -> list[Row]:
    """The cells of lines, in quotes or not."""
    return [
        Row(n, [cell.strip() for cell in next(csv.reader([text], delimiter=mark))])
        for n, text in lines
    ]


def _path_columns(
    rows: Sequence[Row], width: int, is_video: Callable[[str], bool]
) -> list[int]:
    """Columns whose first cells all name videos."""
    seen = [row for row in rows if len(row.cells) == width]
    return [
        place
        for place in range(width)
        if seen and all(is_video(row.cells[place]) for row in seen)
    ]


def _find_columns(
    where: str, header: Row | None, rows: Sequence[Row], paths: Sequence[int]
) -> Columns:
    """Finds each column by its name in the header, or else by its cells."""
    width = len(rows[0].cells)
    names = [_plain(cell) for cell in header.cells] if header else [""] * width
    rest = [place for place in range(width) if place not in paths[:1]]
    named = [place for place in rest if names[place] in _LABELS]
    parts = [p for p in rest if names[p] in _PARTS or _are_parts(rows, p)]
    part = next((p for p in parts if p not in named and len(rest) > 1), None)
    left = [p for p in rest if p != part and not _numbers_rows(rows, p, names[p])]
    if not named:
        left = _without_counts(where, header or rows[0], rows, left)
        named = left
    if len(named) != 1:
        shown = ", ".join(
            f"{p + 1} ({_cell(header, rows, p)!r})" for p in named or rest
        )
        raise errors.DataError(
            f"{where}, line {(header or rows[0]).number}: columns {shown} could each "
            "be the class; keep one of them, or call it `label` in a header"
        )
    used = {paths[0], named[0], part}
    passed = [_cell(header, rows, p) for p in range(width) if p not in used]
    return Columns(paths[0], named[0], part, tuple(passed))


def _without_counts(
    where: str, first: Row, rows: Sequence[Row], places: Sequence[int]
) -> list[int]:
    """Columns without those of numbers, if one of names is beside them.

    Raises:
        DataError: if there are several columns of numbers and nothing else.
    """
    numeric = [
        p for p in places if all(_is_number(row.cells[p]) for row in rows[:_LOOKED_AT])
    ]
    if len(places) > 1 and len(numeric) == len(places):
        raise errors.DataError(
            f"{where}, line {first.number}: {first.cells[0]!r} has {len(places)} "
            "labels; one video has one label, so name the columns in a header if only "
            "one of them is the class"
        )
    words = [place for place in places if place not in numeric]
    return words if len(words) == 1 else list(places)


def _notes(header: Row | None, columns: Columns) -> list[str]:
    """What a reader of the list should know of how it was read."""
    notes = []
    if header:
        notes.append(f"line {header.number} is read as a header")
    if columns.label < columns.path:
        notes.append("the class stands before the video")
    if columns.passed:
        notes.append(
            f"{len(columns.passed)} columns are passed over ("
            + ", ".join(map(repr, columns.passed))
            + ")"
        )
    return notes


def _cell(header: Row | None, rows: Sequence[Row], place: int) -> str:
    return (header or rows[0]).cells[place]


def _are_parts(rows: Sequence[Row], place: int) -> bool:
    """Whether a column names the part of the data set of each video."""
    return all(row.cells[place].lower() in PARTS for row in rows[:_LOOKED_AT])


def _numbers_rows(rows: Sequence[Row], place: int, name: str) -> bool:
    """Whether a column without a name counts the rows, as pandas writes it."""
    if name not in ("", "unnamed0", "index"):
        return False
    cells = [row.cells[place] for row in rows[:_LOOKED_AT]]
    return len(cells) > 1 and any(
        cells == [str(n + start) for n in range(len(cells))] for start in (0, 1)
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _is_number(cell: str) -> bool:
    return bool(re.fullmatch(r"-?\d+(\.\d+)?", cell))


def has_ending(name: str) -> bool:
    """Returns whether a name ends as a video file or an image does."""
    return name.lower().endswith(_ENDINGS)


def label(text: str) -> str:
    """Returns a label as it is meant: pandas writes whole numbers as `2.0`."""
    return re.sub(r"(-?\d+)\.0+", r"\1", text) if _is_number(text) else text


def entry(row: Row, table: Table, where: str) -> wanted_videos.Entry:
    """Returns the wanted video of a row.

    Raises:
        DataError: if one of its cells is empty, or its part has another name.
    """
    columns = table.columns
    name, class_name = row.cells[columns.path], row.cells[columns.label]
    place = f"{where}, line {row.number}"
    if not name or not class_name:
        raise errors.DataError(f"{place}: a video and its class are needed")
    part = "" if columns.part is None else row.cells[columns.part].lower()
    if part and part not in PARTS:
        raise errors.DataError(
            f"{place}: unknown part {part!r} of the data set; known: "
            f"{', '.join(sorted(PARTS))}"
        )
    return wanted_videos.Entry(name, label(class_name), place, PARTS.get(part, ""))
