"""Text files and tables as programs and spreadsheets write them.

Encoding, compression, separator, decimal mark and row numbers are recognised by the
file's content, as are Parquet files and Excel workbooks; every other kind of file is
refused with the command or menu that converts it. What the columns mean is the caller's
business.
"""

import codecs
import contextlib
import csv
import gzip
import io
import itertools
import pathlib
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow
import pyarrow.csv

from smad_jax import errors
from smad_jax.base import file_io, spreadsheets

SEPARATORS = ",;\t|"
_GZIP = b"\x1f\x8b"
# A pickle runs code when it is loaded, so only who wrote it should.
_FROM_PICKLE = "load it where it was written, np.savez(OUT, ids=..., probabilities=...)"
# The first bytes of files that are no text, what they are, and what makes text of them.
_OTHER_KINDS = (
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "Save As, CSV UTF-8"),
    *((b"\x80" + bytes([n]), "a Python pickle", _FROM_PICKLE) for n in range(2, 6)),
    (b"\x93NUMPY", "a NumPy array", "np.savez(OUT, ids=ids, probabilities=array)"),
    (b"\x89HDF", "an HDF5 file", "pandas.read_hdf(PATH).to_csv(OUT, index=False)"),
    (b"ARROW1", "an Arrow file", "pandas.read_feather(PATH).to_csv(OUT, index=False)"),
)
_SPREADSHEETS = {b"PAR1": spreadsheets.parquet, b"PK\x03\x04": spreadsheets.workbook}
_WIDE_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
INDEX_NAMES = ("", "Unnamed: 0", "Unnamed: 0.1")  # of row numbers
_DECIMAL_COMMA = re.compile(rb'(^|[;\n])"?-?\d+,\d+"?(;|\r?\n|$)')
_BEFORE_HEADER = re.compile(rb"(?:sep=(.)\r?(?:\n|$))?(?:\r?\n)*")
_HEAD = 1 << 20  # bytes that hold a header
_CHUNK = 1 << 24  # bytes decoded at once


class Frame(NamedTuple):
    """A table with a header, V rows.

    Attributes:
        path: The file.
        names: Of the columns, in the order of the file, each once.
        columns: By name; text if `texts` names it or a cell is no number.
        first_line: Number of the first row's line in the file.
        notes: What was left out or converted, in sentences.
    """

    path: pathlib.Path
    names: tuple[str, ...]
    columns: dict[str, pyarrow.ChunkedArray]
    first_line: int
    notes: tuple[str, ...]

    def texts(self, name: str) -> np.ndarray:
        """Returns [V] str, the cells of a column without blanks around them.

        An apostrophe that keeps a cell from being a formula is left out, too.
        """
        cells = self.columns[name].to_pylist()
        texts = ("" if cell is None else str(cell).strip() for cell in cells)
        return np.array([file_io.of_cell(text) for text in texts], str)

    def numbers(
        self, names: Sequence[str], dtype: type[np.floating] = np.float32
    ) -> np.ndarray:
        """Returns [V, len(names)] of `dtype`; a row of empty cells is all zeros.

        Raises:
            DataError: naming line and column of the first cell that is no number.
        """
        found = np.zeros((len(self), len(names)), dtype)
        empty = np.zeros(found.shape, bool)
        for place, name in enumerate(names):
            column = self.columns[name]
            if not _is_number(column.type):
                column = self._parsed(name)
            empty[:, place] = column.is_null().to_numpy()
            # whole numbers above 2^53 are rounded
            column = column.cast(pyarrow.float64(), safe=False)
            found[:, place] = column.fill_null(0).to_numpy()
        partly = empty.any(axis=1) & ~empty.all(axis=1)
        if partly.any():
            row = int(np.argmax(partly))
            raise errors.DataError(
                f"{self._where(row)}: the cell of column "
                f"{names[int(np.argmax(empty[row]))]!r} is empty, others of its row "
                "are not"
            )
        return found

    def __len__(self) -> int:
        """Returns V."""
        return len(self.columns[self.names[0]])

    def _where(self, row: int) -> str:
        """File and line of a row; blank lines between rows count."""
        below = (number for number, _ in lines(self.path) if number >= self.first_line)
        return f"{self.path}, line {next(itertools.islice(below, row, None))}"

    def _parsed(self, name: str) -> pyarrow.ChunkedArray:
        """The numbers in a column of text; raises DataError about any other cell."""
        found = []
        for row, cell in enumerate(self.texts(name).tolist()):
            try:  # of Python's forms, 1_000 is not one that tables have
                found.append(float(cell.replace("_", "?")) if cell else None)
            except ValueError as error:
                raise errors.DataError(
                    f"{self._where(row)}: expected a number in column {name!r}, found "
                    f"{cell!r}"
                ) from error
        return pyarrow.chunked_array([found], pyarrow.float64())


class _Dialect(NamedTuple):
    """How a table is written, and the number of its first row's line."""

    separator: str
    decimal_comma: bool
    first_line: int


class Numbered(NamedTuple):
    """Columns named by one prefix and a number: their names, and the rising numbers."""

    names: tuple[str, ...]
    numbers: tuple[int, ...]


def by_number(names: Sequence[str]) -> Numbered | None:
    """Returns columns in the order of the numbers that their names end in.

    Programs sort names as text, so that `p_10` stands before `p_2`. None comes back
    unless each name is one prefix and a number.
    """
    parts = [re.fullmatch(r"(.*?)(\d+)", name) for name in names]
    if not all(parts) or len({part[1] for part in parts if part}) > 1:
        return None
    numbers = {
        int(part[2]): name for part, name in zip(parts, names, strict=True) if part
    }
    if len(numbers) < len(names):
        return None
    order = sorted(numbers)
    return Numbered(tuple(numbers[n] for n in order), tuple(order))


def content(path: pathlib.Path) -> bytes:
    """Returns a file's text as UTF-8, unpacked and without a byte-order mark.

    That of a spreadsheet is CSV.

    Gzip and the byte-order marks of UTF-16 and UTF-32 are recognised by their bytes.

    Raises:
        DataError: if there is no such file, or it is no such text: naming its kind, or
            the line that is not UTF-8, and what converts it.
    """
    found, encoding = _opened(path)
    if encoding == "utf-8":
        _check_utf8(path, found)
        return _with_line_feeds(found)
    try:
        return _with_line_feeds(found.decode(encoding).encode())
    except UnicodeError as error:
        raise errors.DataError(f"{path} is damaged {encoding}: {error}") from error


def lines(path: pathlib.Path) -> Iterator[tuple[int, str]]:
    """Yields the number and the text of each line that is not blank.

    Raises:
        DataError: as `content`.
    """
    for number, line in enumerate(content(path).split(b"\n"), start=1):
        text = line.decode().rstrip()
        if text.strip():
            yield number, text


def header(path: pathlib.Path) -> list[str]:
    """Returns the names of a table's columns, with little of the file read.

    Raises:
        DataError: as `content`.
    """
    head, encoding = _opened(path, _HEAD)
    text = head.decode(encoding, "replace").encode()
    return _opening(path, _with_line_feeds(text)).names


def cells(line: str, mark: str, where: str) -> list[str]:
    """Returns the cells of a line, in quotes or not, without blanks around them.

    Raises:
        DataError: beginning with `where`, if it is no line of CSV.
    """
    try:
        row = next(csv.reader([line], delimiter=mark, skipinitialspace=True), [])
    except csv.Error as error:
        raise errors.DataError(f"{where}: {str(error).partition(' - ')[0]}") from error
    return [cell.strip() for cell in row]


def separator(line: str) -> str:
    """Returns the sign that stands between the cells of a line, a comma if none does.

    Signs within quotes do not count.
    """
    bare = re.sub(r'"[^"]*"', "", line)
    return max(SEPARATORS, key=bare.count)


def read(path: pathlib.Path, *, texts: Sequence[str] = (), named: bool = True) -> Frame:
    """Returns a table.

    Args:
        path: The file; commas, semicolons, tabs or bars stand between cells. A first
            line `sep=;` is Excel's. With semicolons a decimal comma is recognised.
        texts: Names, in lower case, of columns that are text whatever they hold.
        named: Whether its first line names the columns, else called 0, 1, 2, ...

    Raises:
        DataError: as `content`, if the header names a column twice, or naming the line
            that has more or fewer cells than the header.
    """
    whole = content(path)
    opening = _opening(path, whole)
    names, mark = opening.names, opening.separator
    first_line = opening.line + named
    if not named:
        names = [str(place) for place in range(len(names))]
    if twice := [name for name in names if names.count(name) > 1]:
        raise errors.DataError(f"{path} has two columns called {twice[0]!r}")
    if not names:
        raise errors.DataError(f"{path} is empty")
    body = whole[opening.end if named else opening.start :]
    comma = mark == ";" and bool(_DECIMAL_COMMA.search(body[:65536]))
    columns = _parse(path, body, names, _Dialect(mark, comma, first_line), texts)
    notes = ["decimal commas are read as points"] if comma else []
    if names[0] in INDEX_NAMES and _counts_rows(columns[names[0]]):
        del columns[names[0]]
        notes.append("the first column numbers the rows and is left out")
    if "" in columns and columns[""].null_count == len(columns[""]):
        del columns[""]  # of a separator at the end of every line
    if not columns:
        raise errors.DataError(f"{path} has no column but the rows' numbers")
    return Frame(path, tuple(columns), columns, first_line, tuple(notes))


def _opened(path: pathlib.Path, size: int = -1) -> tuple[bytes, str]:
    """Returns a file's text, unpacked, and its encoding; only the first `size` bytes.

    Raises:
        DataError: if there is no such file, or it is of another kind.
    """
    try:
        with open(path, "rb") as file:
            packed = file.peek(2).startswith(_GZIP)
            found = (gzip.GzipFile(fileobj=file) if packed else file).read(size)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise errors.DataError(f"no file at {path}") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise errors.DataError(f"{path} is a damaged gzip file: {error}") from error
    if found.startswith(codecs.BOM_UTF8):
        return found.removeprefix(codecs.BOM_UTF8), "utf-8"
    for mark, encoding in _WIDE_MARKS:
        if found.startswith(mark):
            return found, encoding
    for start, as_csv in _SPREADSHEETS.items():
        if found.startswith(start) and not packed:
            return as_csv(path, header_only=size >= 0), "utf-8"
    for start, kind, repair in _OTHER_KINDS:
        if found.startswith(start):
            raise errors.DataError(
                f"{path} is {kind}, not text; write it as CSV first: {repair}"
            )
    return found, "utf-8"


class _Opening(NamedTuple):
    """A table's first line: its cells and their separator, its number, where it lies.

    `start` and `end` are the places of its first byte and of the next line's.
    """

    names: list[str]
    separator: str
    line: int
    start: int
    end: int


def _opening(path: pathlib.Path, whole: bytes) -> _Opening:
    """The first line that is neither blank nor Excel's `sep=;`."""
    before = _BEFORE_HEADER.match(whole)
    start = before.end() if before else 0
    line = whole.count(b"\n", 0, start) + 1
    end = whole.find(b"\n", start) + 1 or len(whole)
    text = whole[start:end].decode().rstrip("\r\n")
    mark = before[1].decode() if before and before[1] else separator(text)
    return _Opening(cells(text, mark, f"{path}, line {line}"), mark, line, start, end)


def _parse(
    path: pathlib.Path,
    body: bytes,
    names: Sequence[str],
    dialect: _Dialect,
    texts: Sequence[str],
) -> dict[str, pyarrow.ChunkedArray]:
    """Returns the columns by name; text if requested, else by their cells."""
    wanted = {name: pyarrow.string() for name in names if name.lower() in texts}
    if not body.strip():
        return {name: pyarrow.chunked_array([[]], pyarrow.string()) for name in names}
    try:
        table = pyarrow.csv.read_csv(
            pyarrow.BufferReader(body),
            read_options=pyarrow.csv.ReadOptions(column_names=list(names)),
            parse_options=pyarrow.csv.ParseOptions(delimiter=dialect.separator),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=wanted,
                null_values=[""],
                strings_can_be_null=False,
                decimal_point="," if dialect.decimal_comma else ".",
                true_values=[],
                false_values=[],
                timestamp_parsers=["%%"],  # no cell is a date
            ),
        )
    except pyarrow.ArrowInvalid as error:
        _name_ragged_line(path, body, len(names), dialect)
        raise errors.DataError(f"{path}: {error}") from error
    return dict(zip(names, table.columns, strict=True))


def _name_ragged_line(
    path: pathlib.Path, body: bytes, width: int, dialect: _Dialect
) -> None:
    """Raises DataError about the first line with another number of cells."""
    reader = csv.reader(
        io.StringIO(body.decode(), newline=""), delimiter=dialect.separator
    )
    with contextlib.suppress(csv.Error):  # then pyarrow's message has to do
        for row in reader:
            if row and len(row) != width:
                line = dialect.first_line + reader.line_num - 1
                raise errors.DataError(
                    f"{path}, line {line}: {len(row)} cells, the header has {width}"
                )


def _counts_rows(column: pyarrow.ChunkedArray) -> bool:
    """Whether a column holds 0, 1, 2, ... as pandas numbers rows, or R from 1."""
    if not pyarrow.types.is_integer(column.type) or not len(column):
        return False
    first = column[0].as_py()
    counted = np.arange(len(column)) + (first or 0)
    return first in (0, 1) and np.array_equal(column.to_numpy(), counted)


def _is_number(kind: pyarrow.DataType) -> bool:
    types = pyarrow.types
    return types.is_integer(kind) or types.is_floating(kind) or types.is_null(kind)


def _with_line_feeds(found: bytes) -> bytes:
    """The text with a line feed after each line, which Excel for the Mac leaves out."""
    return found if b"\n" in found else found.replace(b"\r", b"\n")


def _check_utf8(path: pathlib.Path, found: bytes) -> None:
    """Raises DataError naming the first line that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(found), _CHUNK):
        end = start + _CHUNK
        try:
            decoder.decode(found[start:end], final=end >= len(found))
        except UnicodeDecodeError as error:
            place = max(0, start + error.start)
            line = found.count(b"\n", 0, place) + 1
            kind = "UTF-16 without a mark" if b"\0" in found[:100] else "Latin-1"
            name = {"Latin-1": "WINDOWS-1252"}.get(kind, "UTF-16LE")
            raise errors.DataError(
                f"{path}, line {line} is not UTF-8; if it is {kind}, convert it: iconv "
                f"-f {name} -t UTF-8 {path.name} > NEW"
            ) from error
