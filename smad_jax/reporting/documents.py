"""Generated parts of hand-written documents."""

import pathlib

from smad_jax import errors


def replace(path: pathlib.Path, name: str, text: str) -> None:
    """Puts `text` between the markers called `name`, in place of what is there.

    The markers are two comments, `<!-- NAME -->` and `<!-- end NAME -->`.

    Raises:
        DataError: if the file or a marker is missing.
    """
    begin, end = f"<!-- {name} -->", f"<!-- end {name} -->"
    whole = path.read_text("utf-8") if path.is_file() else ""
    before, found, rest = whole.partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise errors.DataError(f"{path} lacks the lines {begin} and {end}")
    path.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", "utf-8")
