"""Files read with errors that name them, and written whole or not at all."""

import contextlib
import fcntl
import json
import os
import pathlib
import re
import struct
import uuid
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from smad_jax import errors

# What reading a damaged file raises, or one of another format. A header that states
# 10^12 elements is a MemoryError, deeply nested JSON a RecursionError.
BROKEN = (
    *(ValueError, TypeError, LookupError, AttributeError, EOFError, OSError),
    *(MemoryError, RecursionError, OverflowError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)
_FORMULA = re.compile(r"[=+@\t\r]|-.*[(|!]", re.DOTALL)
# Folders and files of archives and systems, which nobody put there on purpose.
_LEFT_BEHIND = ("__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir")


@contextlib.contextmanager
def reading(path: pathlib.Path, advice: str) -> Iterator[None]:
    """Turns what a missing or damaged file raises in the body into one clear error.

    Args:
        path: The file that is read there.
        advice: What to do about it, after a semicolon.

    Raises:
        DataError: naming the file, the fault and the advice.
    """
    try:
        yield
    except (errors.UserError, PermissionError):
        raise  # their own messages are enough
    except FileNotFoundError as error:
        raise errors.DataError(f"{path} is missing; {advice}") from error
    except BROKEN as error:
        fault = str(error).partition("\n")[0] or type(error).__name__
        lacks = "it lacks " if isinstance(error, KeyError) else ""
        raise errors.DataError(
            f"{path} is damaged or of another kind ({lacks}{fault}); {advice}"
        ) from error


def read_json(path: pathlib.Path, advice: str) -> dict[str, Any]:
    """Returns the object in a JSON file.

    Raises:
        DataError: as `reading` does, also if the file holds something else.
    """
    with reading(path, advice):
        content = json.loads(path.read_text("utf-8"))
        if not isinstance(content, dict):
            raise TypeError(f"it holds a {type(content).__name__}, not an object")
        return content


@contextlib.contextmanager
def npz(path: pathlib.Path, message: str) -> Iterator[np.lib.npyio.NpzFile]:
    """Opens an NPZ file of plain arrays; each is read on access.

    Args:
        path: The file.
        message: The error if the file is missing or damaged, or lacks an array.

    Raises:
        DataError: with that message, here or in the body of the `with`.
    """
    try:
        # opened here: np.load does not close a file that is no archive
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            yield arrays
    except (errors.UserError, PermissionError):
        raise  # their own messages are enough
    except BROKEN as error:
        raise errors.DataError(message) from error


def files_below(folder: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Yields the files of a folder and of those in it, in the order of their paths.

    Linked folders are followed, each once on the way down, so that a loop of links
    ends. Hidden files and what an operating system leaves behind (`__MACOSX`,
    `Thumbs.db`) are passed over.
    """
    # A link to a folder above this one leads here again, like one to this folder.
    above: set[str] = set()
    for start in (os.path.abspath(folder), os.path.realpath(folder)):
        path = pathlib.Path(start)
        above |= {os.path.realpath(one) for one in (path, *path.parents)}
    pending = [(pathlib.Path(folder), frozenset(above))]
    while pending:
        here, parents = pending.pop()
        folders = []
        for path in sorted(here.iterdir()):
            if path.name.startswith(".") or path.name in _LEFT_BEHIND:
                continue
            if not path.is_dir():
                yield path
                continue
            real = os.path.realpath(path)
            if real not in parents:
                folders.append((path, parents | {real}))
        pending += reversed(folders)


def visible_folders(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the folders in a folder, linked ones too, as `files_below` sees them."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_dir()
        and not path.name.startswith(".")
        and path.name not in _LEFT_BEHIND
    )


def partial_path(path: pathlib.Path) -> pathlib.Path:
    """Returns a hidden name beside `path`, unique over processes and hosts."""
    return path.with_name(f".{path.name}.partial-{uuid.uuid4().hex}")


def check(path: pathlib.Path) -> None:
    """Creates the folder of a file and checks that it is writable, before long work.

    Raises:
        ConfigError: if it is a folder.
        DataError: if it cannot be written.
    """
    probe = partial_path(path)
    try:
        with errors.machine_explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
    except OSError as error:
        raise errors.DataError(
            f"{path} cannot be written: {error.strerror}; choose another place"
        ) from error
    if path.is_dir():
        raise errors.ConfigError(f"{path} is a folder; name a file in it")


@contextlib.contextmanager
def taking_turns(path: pathlib.Path) -> Iterator[None]:
    """Lets one thread or process at a time into the body, by a lock on a file.

    For changes that read a file and write it again: of two at once, one would be lost.
    On a file system without locks they are not kept apart.

    Args:
        path: The lock's file, which stays.
    """
    with open(path, "ab") as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)  # ends when the file is closed
        yield


@contextlib.contextmanager
def whole(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a temporary path that replaces `path` if the body succeeds.

    Args:
        path: The file; its folder is created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(path)
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes text as UTF-8."""
    with whole(path) as partial:
        partial.write_text(text, "utf-8")


def cell(value: object) -> object:
    """Returns the cell of a CSV file as a spreadsheet shows it and never computes it.

    A text that would be a formula gets an apostrophe in front, as spreadsheets do
    themselves. Names often begin with a hyphen; they are formulas only with a call.
    """
    if not isinstance(value, str):
        return value
    return f"'{value}" if _FORMULA.match(value) else value


def of_cell(text: str) -> str:
    """Returns the text that `cell` made this cell of."""
    return text[1:] if text[:1] == "'" and _FORMULA.match(text, 1) else text


def write_npz(path: pathlib.Path, arrays: Mapping[str, np.typing.ArrayLike]) -> None:
    """Writes plain arrays as an NPZ file, by name."""
    with whole(path) as partial, open(partial, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def write_json(path: pathlib.Path, content: object) -> None:
    """Writes JSON that people can read too."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
