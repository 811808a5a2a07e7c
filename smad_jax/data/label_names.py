"""Names of labels and classes: what label 3 of `scene` is called.

A file holds one name a line. It lies beside the labels of a data set, as
`<data set>/aspects/<aspect>.names.txt`, or wherever the user has it. Lists as they are
published are read too: `0,walk` below a header, `1 ApplyEyeMakeup`, `airfield 0`, or
Places365's `/a/airfield 0`.
"""

import os
import pathlib
import re
from collections.abc import Sequence

from smad_jax import errors
from smad_jax.base import file_io, tables

# A number before or behind a name, with what may stand between the two.
_FIRST = re.compile(r"(?P<number>\d+)(\s*[,;:\t|]\s*|[.)]?\s+)(?P<name>\S.*)")
_LAST = re.compile(r"(?P<name>.*\S)(\s*[,;:\t|]\s*|\s+)(?P<number>\d+)")
_LETTER = re.compile(r"/[a-z]/")  # before a category of Places365
_HEADER = re.compile(
    r"((class|label|category|action|scene)?[ _-]?(id|idx|index|no|name|number)s?"
    r"|class(es)?|labels?|categor(y|ies)|actions?)",
    re.IGNORECASE,
)


def read(path: pathlib.Path, num_labels: int | None = None) -> tuple[str, ...]:
    """Returns the names in a file of the user's, in the order of their numbers.

    Args:
        path: One name a line. Numbers before or behind all names order them, from 0 or
            from 1. A header is passed over, and so are Places365's letters in front,
            unless two names would become one.
        num_labels: How many there must be, if that is known.

    Raises:
        DataError: if the file is missing, a name comes twice, numbers are not each of 0
            to n - 1 or 1 to n, or there are more or fewer names than `num_labels`.
    """
    names = _without_numbers(path, _without_header(_lines(path)))
    if all(_LETTER.match(name) for name in names):
        names = _unless_equal([name[len("/a/") :] for name in names], names)
    return checked(path, names, num_labels)


def _without_header(lines: list[str]) -> list[str]:
    """The lines without a first one that names columns."""
    cells = re.split(r"[,;\t|]", lines[0]) if lines else []
    is_header = all(_HEADER.fullmatch(cell.strip(' "')) for cell in cells)
    return lines[1:] if is_header and len(lines) > 1 else lines


def _without_numbers(path: pathlib.Path, lines: list[str]) -> list[str]:
    """The names in the order of the numbers beside them, if all have one."""
    for pattern in (_FIRST, _LAST):
        matches = [match for line in lines if (match := pattern.fullmatch(line))]
        if not matches or len(matches) < len(lines):
            continue
        by_number = {int(match["number"]): match["name"] for match in matches}
        start = min(by_number)
        if start <= 1 and sorted(by_number) == list(range(start, start + len(lines))):
            ordered = [_unquoted(by_number[n]) for n in sorted(by_number)]
            return _unless_equal(ordered, lines)
        if pattern is _FIRST:
            raise errors.DataError(
                f"{path}: the numbers before the names must be each of 0 to "
                f"{len(lines) - 1}, or of 1 to {len(lines)}, but they are "
                f"{', '.join(map(str, sorted(by_number)[:5]))}, ..."
            )
    return [_unquoted(line) for line in lines]


def _unquoted(name: str) -> str:
    """A name without the quotes that CSV puts around it."""
    quoted = len(name) > 1 and name[0] == name[-1] == '"'
    return name[1:-1].replace('""', '"') if quoted else name


def _unless_equal(shorter: list[str], names: list[str]) -> list[str]:
    """The shorter names, unless two of them become the same."""
    return shorter if len(set(shorter)) == len(set(names)) else names


def _lines(path: pathlib.Path) -> list[str]:
    """The lines of a file that are not empty."""
    if not path.is_file():
        raise errors.DataError(f"no file of names at {path}")
    return [line.strip() for _, line in tables.lines(path)]


def checked(
    path: pathlib.Path, names: Sequence[str], num_labels: int | None
) -> tuple[str, ...]:
    """Returns the names in a file.

    Raises:
        DataError: unless all differ and there is one for each label.
    """
    if not names:
        raise errors.DataError(f"{path} has no names; write one on each line")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise errors.DataError(f"{path} has the name {twice!r} twice")
    if num_labels is not None and len(names) != num_labels:
        raise errors.DataError(
            f"{path} names {len(names)} labels, but there are {num_labels}; write one "
            "name for each label on a line of its own"
        )
    return tuple(names)


def store(folder: str | os.PathLike[str], aspect: str, names: Sequence[str]) -> None:
    """Writes the names of an aspect's labels into a data set; removes them for ()."""
    path = _path(folder, aspect)
    if names:
        file_io.write_text(path, "".join(f"{name}\n" for name in names))
    else:
        path.unlink(missing_ok=True)


def stored(
    folder: str | os.PathLike[str], aspect: str, num_labels: int
) -> tuple[str, ...]:
    """Returns a data set's names of an aspect's labels; () for none.

    Raises:
        DataError: if there are not `num_labels` of them.
    """
    path = _path(folder, aspect)
    return checked(path, _lines(path), num_labels) if path.is_file() else ()


def _path(folder: str | os.PathLike[str], aspect: str) -> pathlib.Path:
    return pathlib.Path(folder) / "aspects" / f"{aspect}.names.txt"
