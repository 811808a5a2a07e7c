"""Generated parts of hand-written documents.

A part is enclosed in two comments, `<!-- NAME -->` and `<!-- end NAME -->`.
"""

import pathlib

from smad_jax import errors


def check(path: pathlib.Path, name: str) -> None:
    """Checks that a document has the markers called `name`.

    Raises:
        DataError: if the file or a marker is missing.
    """
    _around(path, name)


def replace(path: pathlib.Path, name: str, text: str) -> None:
    """Replaces the text between the markers called `name`.

    Raises:
        DataError: if the file or a marker is missing.
    """
    before, after = _around(path, name)
    path.write_text(f"{before}\n{text.strip()}\n{after}", "utf-8")


def _around(path: pathlib.Path, name: str) -> tuple[str, str]:
    """Returns the text before and after the part, markers included."""
    if not path.is_file():
        raise errors.DataError(f"no document at {path}")
    begin, end = f"<!-- {name} -->", f"<!-- end {name} -->"
    before, found, rest = path.read_text("utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise errors.DataError(f"{path} lacks the lines {begin} and {end}")
    return before + begin, end + after
