"""Names of an aspect's labels, such as that of label 3 of `scene`.

A file holds one name on each line. In a data set it is
`<data set>/aspects/<aspect>.names.txt`; users may have it anywhere. Published lists are
read too: `airfield 0`, or `/a/airfield 0` of Places365.
"""

import os
import pathlib
import re
from collections.abc import Sequence

from smad_jax import errors, file_io

_NUMBERED = re.compile(r"(?P<name>.+?)\s+(?P<number>\d+)")
_LETTER = re.compile(r"/[a-z]/")  # in front of a category of Places365


def read(path: pathlib.Path, num_labels: int | None = None) -> tuple[str, ...]:
    """Returns the names in a user's file.

    Args:
        path: One name on each line. A number behind it is dropped if it is the line's
            own, and the letter of Places365 in front, unless two names become equal.
        num_labels: The expected number of names; None if unknown.

    Raises:
        DataError: if the file is missing, a name is repeated, or their number differs.
    """
    names = _lines(path)
    numbered = [_NUMBERED.fullmatch(name) for name in names]
    if all(m and int(m["number"]) == n for n, m in enumerate(numbered)):
        names = _unless_equal([m["name"] for m in numbered if m], names)
    if all(_LETTER.match(name) for name in names):
        names = _unless_equal([name[len("/a/") :] for name in names], names)
    return checked(path, names, num_labels)


def _unless_equal(shorter: list[str], names: list[str]) -> list[str]:
    """The shorter names, if they are as many."""
    return shorter if len(set(shorter)) == len(set(names)) else names


def _lines(path: pathlib.Path) -> list[str]:
    """The lines of a file that are not empty."""
    if not path.is_file():
        raise errors.DataError(f"no file of names at {path}")
    return [line.strip() for line in file_io.text(path).splitlines() if line.strip()]


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
