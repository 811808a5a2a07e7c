"""Names of an aspect's labels: what label 3 of `scene` is called.

A file holds one name a line. It lies beside the labels of a data set, as
`<data set>/aspects/<aspect>.names.txt`, or wherever the user has it. Lists as they are
published are read too: `airfield 0`, or Places365's `/a/airfield 0`.
"""

import os
import pathlib
import re
from collections.abc import Sequence

from smad_jax import errors, file_io

_NUMBERED = re.compile(r"(?P<name>.+?)\s+(?P<number>\d+)")
_LETTER = re.compile(r"/[a-z]/")  # before a category of Places365


def read(path: pathlib.Path, num_labels: int | None = None) -> tuple[str, ...]:
    """Returns the names in a file of the user's.

    Args:
        path: One name a line; numbers behind them are passed over if they are the
            lines' own, and Places365's letters in front, unless two names would be one.
        num_labels: How many there must be, if that is known.

    Raises:
        DataError: if the file is missing, a name comes twice, or their number differs.
    """
    names = _lines(path)
    numbered = [_NUMBERED.fullmatch(name) for name in names]
    if all(m and int(m["number"]) == n for n, m in enumerate(numbered)):
        names = _unless_equal([m["name"] for m in numbered if m], names)
    if all(_LETTER.match(name) for name in names):
        names = _unless_equal([name[len("/a/") :] for name in names], names)
    return checked(path, names, num_labels)


def _unless_equal(shorter: list[str], names: list[str]) -> list[str]:
    """The shorter names, if they tell as much."""
    return shorter if len(set(shorter)) == len(set(names)) else names


def _lines(path: pathlib.Path) -> list[str]:
    """The lines of a file that are not empty."""
    if not path.is_file():
        raise errors.DataError(f"no file of names at {path}")
    return [line.strip() for line in file_io.text(path).splitlines() if line.strip()]


def checked(
    path: pathlib.Path, names: Sequence[str], num_labels: int | None
) -> tuple[str, ...]:
    """Returns the names of a file, if each is another and there are as many as labels.

    Raises:
        DataError: if not.
    """
    if not names:
        raise errors.DataError(f"{path} holds no name; write one a line")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise errors.DataError(f"{path} has the name {twice!r} twice")
    if num_labels is not None and len(names) != num_labels:
        raise errors.DataError(
            f"{path} names {len(names)} labels, but there are {num_labels}; write a "
            "name for each, one a line"
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
    """Returns the names that a data set has for an aspect's labels; () for none.

    Raises:
        DataError: if their number is another than `num_labels`.
    """
    path = _path(folder, aspect)
    return checked(path, _lines(path), num_labels) if path.is_file() else ()


def _path(folder: str | os.PathLike[str], aspect: str) -> pathlib.Path:
    return pathlib.Path(folder) / "aspects" / f"{aspect}.names.txt"
