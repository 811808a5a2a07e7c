"""Names of labels and classes: what label 3 of `scene` is called.

A file holds one name per line. It lies beside the labels of a data set, as
`<data set>/aspects/<aspect>.names.txt`, or wherever the user has it. Lists as they are
published are read too: `0,walk` below a header, `1 ApplyEyeMakeup`, `airfield 0`,
Places365's `/a/airfield 0`, and JSON such as `{"walk": 0}`.
"""

import hashlib
import json
import os
import pathlib
import re
import unicodedata
from collections.abc import Sequence

from smad_jax import errors
from smad_jax.base import file_io, tables

# In the origin of labels that are words and numbered by the words that occur.
MARK = "labels named"
# A number before or behind a name, with what may stand between the two.
_FIRST = re.compile(r"(?P<number>\d+)(?P<mark>\s*[,;:\t|]\s*|[.)]?\s+)(?P<name>\S.*)")
_LAST = re.compile(r"(?P<name>.*\S)(?P<mark>\s*[,;:\t|]\s*|\s+)(?P<number>\d+)")
_LETTER = re.compile(r"/[a-z]/")  # before a category of Places365
_HEADER = re.compile(
    r"((class|label|category|action|scene)?[ _-]?(id|idx|index|no|name|number)s?"
    r"|class(es)?|labels?|categor(y|ies)|actions?|scenes?|objects?)",
    re.IGNORECASE,
)
# What a column of names alone is called.
_TITLE = re.compile(
    r"(class|label|category|action|scene|object)?[ _-]?names?"
    r"|class(es)?|labels?|categor(y|ies)|actions?|scenes?|objects?",
    re.IGNORECASE,
)
_COLUMN = re.compile(r'"?(class|label|category|action)[ _-]?name"?', re.IGNORECASE)


def read(path: pathlib.Path, num_labels: int | None = None) -> tuple[str, ...]:
    """Returns the names in a file of the user's, in the order of their numbers.

    Args:
        path: One name per line, or JSON. Numbers before or behind all names order
            them, from 0 or from 1. A header is left out where the other lines have
            numbers, or `num_labels` shows that a line is too many. Places365's letters
            in front are left out, unless two names would become one.
        num_labels: How many there must be, if that is known.

    Raises:
        DataError: if the file is missing, a name comes twice, the first line may be a
            header as well as a name, numbers are not each of 0
            to n - 1 or 1 to n, several columns may hold the names, or there are more or
            fewer names than `num_labels`.
    """
    lines = _lines(path)
    rows = _numbered_lines(path, lines)
    names = _by_numbers(path, rows[_is_header(rows) :]) or _by_numbers(path, rows)
    if len(set(names)) < max(1, len(names)):  # the numbers distinguish them
        plain = rows if lines and lines[0][0] in "[{" else lines
        surplus = len(plain) - 1 == num_labels or any(map(_COLUMN.fullmatch, plain[:1]))
        # Kept as a name it would shift all others by one, left out by mistake as well.
        unclear = num_labels is None and not surplus and len(plain) > 1
        if unclear and _TITLE.fullmatch(plain[0].strip(' "')):
            raise errors.DataError(
                f"{path} begins with {plain[0]!r}, a header or a name; remove the line "
                "if it is a header, or number the names: '0 NAME', '1 NAME', ..."
            )
        names = [_unquoted(line) for line in plain[_is_header(plain) and surplus :]]
    if all(_LETTER.match(name) for name in names):
        shorter = [name[len("/a/") :] for name in names]
        names = shorter if len(set(shorter)) == len(names) else names
    return checked(path, names, num_labels)


def _numbered_lines(path: pathlib.Path, lines: list[str]) -> list[str]:
    """Tables and JSON as lines of a number, a tab and a name; other lines as given.

    A table has as many cells in every line, and numbers in one column.
    """
    if lines and lines[0][0] in "[{":
        return _of_json(path) or lines
    mark = tables.separator(lines[0]) if lines else ","
    rows = [tables.cells(line, mark, str(path)) for line in lines]
    if len(rows) < 2 or len(rows[0]) < 2 or len({len(row) for row in rows}) > 1:
        return lines
    columns = list(zip(*rows, strict=True))
    number = next((c for c in columns if all(map(str.isdecimal, c[1:]))), None)
    if number is None:
        return lines
    has_header = not number[0].isdecimal()
    names = [column for column in columns if column is not number]
    if len(names) > 1:
        names = [c for c in names if has_header and c[0].lower().endswith("name")]
    if len(names) != 1:
        raise errors.DataError(
            f"{path}: each line has {len(columns)} cells, {', '.join(rows[0])!r} "
            "first; leave only the number and the name of each label"
        )
    pairs = list(zip(number, names[0], strict=True))[has_header:]
    return [f"{number}\t{name}" for number, name in pairs]


def _of_json(path: pathlib.Path) -> list[str]:
    """The lines of a JSON file of names: a list, or numbers by name, or the reverse."""
    try:
        found = json.loads(tables.content(path))
    except (ValueError, RecursionError):
        return []
    if isinstance(found, dict):
        pairs = [(str(key), str(value)) for key, value in found.items()]
        if not all(key.isdecimal() for key, _ in pairs):
            pairs = [(value, key) for key, value in pairs]
        return [f"{number}\t{name}" for number, name in pairs]
    return [str(name) for name in found]


def _is_header(lines: list[str]) -> bool:
    """Whether the first line may name columns; `action` may be a class as well."""
    cells = re.split(r"[,;\t|]", lines[0]) if len(lines) > 1 else [""]
    return all(_HEADER.fullmatch(cell.strip(' "')) for cell in cells)


def _by_numbers(path: pathlib.Path, lines: list[str]) -> list[str]:
    """The names in the order of the numbers beside them; none unless all have one.

    Numbers with a blank between belong to the names, as in `100 m run`, unless they
    count the lines.
    """
    for pattern in (_FIRST, _LAST):
        matches = [match for line in lines if (match := pattern.fullmatch(line))]
        if not matches or len(matches) < len(lines):
            continue
        numbers = [int(match["number"]) for match in matches]
        start = min(numbers)
        counted = list(range(start, start + len(lines)))
        by_number = {int(match["number"]): match["name"] for match in matches}
        apart = all(re.search(r"[,;:\t|]", match["mark"]) for match in matches)
        if start <= 1 and (sorted(numbers) if apart else numbers) == counted:
            return [_unquoted(by_number[number]) for number in counted]
        if pattern is _FIRST and apart:
            raise errors.DataError(
                f"{path}: the numbers before the names must be each of 0 to "
                f"{len(lines) - 1}, or of 1 to {len(lines)}, but they are "
                f"{', '.join(map(str, sorted(numbers)[:5]))}, ..."
            )
    return []


def _unquoted(name: str) -> str:
    """A name without the quotes that CSV puts around it."""
    quoted = len(name) > 1 and name[0] == name[-1] == '"'
    return name[1:-1].replace('""', '"') if quoted else name


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
        raise errors.DataError(
            f"{path} has the name {twice!r} twice; give each label a name of its own, "
            f"such as '{twice} 1' and '{twice} 2'"
        )
    if num_labels is not None and len(names) != num_labels:
        raise errors.DataError(
            f"{path} names {len(names)} labels, but there are {num_labels}; write one "
            "name for each label on a line of its own"
        )
    # Composed: programs write accents in two ways.
    return tuple(unicodedata.normalize("NFC", name) for name in names)


def mark(names: Sequence[str]) -> str:
    """Returns the part of a source that identifies the names of the labels.

    Args:
        names: [Z] in the order of the labels' numbers.
    """
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
    return f"{MARK} {digest[:12]}"


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
