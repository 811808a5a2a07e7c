"""Files opened so that what is wrong with one of them is told, and not a traceback."""

import contextlib
import pathlib
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np

from smad_jax import errors

# What NumPy and zipfile say of a file that is cut short, or something else.
BROKEN = (
    *(ValueError, TypeError, KeyError, AttributeError, EOFError, OSError),
    *(zipfile.BadZipFile, zlib.error),
)


@contextlib.contextmanager
def npz(path: pathlib.Path, told: str) -> Iterator[np.lib.npyio.NpzFile]:
    """Opens an NPZ file of plain arrays, each of which is read when it is asked for.

    Args:
        path: The file.
        told: What to say if it is missing or damaged, or if an array that is asked for
            is not in it.

    Raises:
        DataError: with that message, here or in the body of the `with`.
    """
    try:
        # opened here: np.load leaves a file open that is no archive
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            yield arrays
    except (errors.UserError, PermissionError):
        raise  # which say themselves what to do
    except BROKEN as error:
        raise errors.DataError(told) from error


def text(path: pathlib.Path) -> str:
    """Returns the text of a file in UTF-8, without a byte-order mark.

    Raises:
        DataError: naming the line that is not UTF-8.
    """
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise errors.DataError(
            f"{path} must be text in UTF-8, which line "
            f"{error.object.count(10, 0, error.start) + 1} is not"
        ) from error
