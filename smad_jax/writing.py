"""Files that appear whole or not at all."""

import contextlib
import json
import pathlib
import uuid
from collections.abc import Iterator

from smad_jax import errors


def partial_path(path: pathlib.Path) -> pathlib.Path:
    """Returns a hidden name beside `path` that no other process or host comes upon."""
    return path.with_name(f".{path.name}.partial-{uuid.uuid4().hex}")


def check(path: pathlib.Path) -> None:
    """Makes the folder of a file, and sure that it can be written, before long work.

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
def whole(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields where to write what `path` is to hold; it gets there if nothing fails.

    Args:
        path: Its folder is made, and an earlier file is replaced.
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


def write_json(path: pathlib.Path, content: object) -> None:
    """Writes JSON that people can read too."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
