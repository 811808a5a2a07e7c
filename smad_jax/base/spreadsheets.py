"""Parquet files and Excel workbooks as CSV text, for `tables` to read."""

import csv
import io
import pathlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow
import pyarrow.csv
import pyarrow.parquet

from smad_jax import errors
from smad_jax.base import file_io

if TYPE_CHECKING:
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet as Worksheet

_INDEX = "__index_level_0__"  # pandas' row numbers, after rows were left out


def parquet(path: pathlib.Path, *, header_only: bool = False) -> bytes:
    """Returns a Parquet file as CSV in UTF-8, its first line the columns' names.

    Raises:
        DataError: if it is damaged, or naming a column that holds lists.
    """
    try:
        file = pyarrow.parquet.ParquetFile(path)
        table = file.schema_arrow.empty_table() if header_only else file.read()
    except (pyarrow.ArrowException, OSError) as error:
        raise errors.DataError(f"{path} is a damaged Parquet file: {error}") from error
    if _INDEX in table.column_names:
        if pyarrow.types.is_integer(table.schema.field(_INDEX).type):
            table = table.drop_columns([_INDEX])
    for place, field in enumerate(table.schema):
        if pyarrow.types.is_nested(field.type):
            raise errors.DataError(
                f"{path}: column {field.name!r} holds {field.type}; write one column "
                "for each number"
            )
        if pyarrow.types.is_dictionary(field.type):  # pandas' categories
            plain = table.column(place).cast(field.type.value_type)
            table = table.set_column(place, field.name, plain)
    out = io.BytesIO()
    pyarrow.csv.write_csv(table, out)
    return out.getvalue()


def workbook(path: pathlib.Path, *, header_only: bool = False) -> bytes:
    """Returns the sheet of an Excel workbook (.xlsx) as CSV in UTF-8.

    A row becomes a line of the same number. Hidden sheets and empty ones do not count.

    Raises:
        DataError: if it is damaged, another kind of ZIP archive, or has two sheets.
    """
    import openpyxl  # takes half a second, which tables of text need not wait for

    try:
        with open(path, "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of styles and the like
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            sheets = {
                sheet.title: sheet
                for sheet in book.worksheets
                if sheet.sheet_state == "visible" and any(_rows(sheet))
            }
            if len(sheets) > 1:
                raise errors.DataError(
                    f"{path} has tables in the sheets {', '.join(map(repr, sheets))}; "
                    "keep one of them"
                )
            rows = _rows(next(iter(sheets.values()))) if sheets else iter(())
            return _lines(rows, header_only=header_only).encode()
    except errors.DataError:
        raise
    except (*file_io.BROKEN, IndexError, SyntaxError) as error:
        raise errors.DataError(
            f"{path} is a ZIP archive, but no Excel workbook that can be read; unpack "
            f"it, or save it as CSV UTF-8 ({error})"
        ) from error


def _rows(sheet: "Worksheet") -> Iterator[Sequence[object]]:
    """The values of each row, without the empty cells at its end."""
    sheet.reset_dimensions()  # some programs state them wrong
    for row in sheet.iter_rows(values_only=True):
        values = ["" if cell is None else cell for cell in row]
        while values and values[-1] == "":
            values.pop()
        yield values


def _lines(rows: Iterable[Sequence[object]], *, header_only: bool) -> str:
    """The rows as lines of CSV, all as wide as the first that is not empty."""
    out, width = io.StringIO(), 0
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    for row in rows:
        if not row:
            out.write("\n")
            continue
        width = width or len(row)
        writer.writerow([*row, *[""] * (width - len(row))])
        if header_only:
            break
    return out.getvalue()
