"""A data set folder that one process makes once and that appears when complete."""

import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping

from smad_jax import errors
from smad_jax.base import aspect_table
from smad_jax.data import catalog
from smad_jax.data.embedded import benchmark

Log = Callable[[str], object]
Fill = Callable[[pathlib.Path, Log], None]
Recipe = Mapping[str, catalog.Json]


def make_once(
    folder: pathlib.Path,
    *,
    num_videos: int,
    rate: float = 140,
    recipe: Mapping[str, object],
    fill: Fill,
    log: Log,
) -> None:
    """Makes a folder of the embedded benchmark, unless one of this recipe exists.

    Args:
        folder: Its place; the folder above is made if it is missing.
        num_videos: V.
        rate: Videos that two cores make in a second.
        recipe: All that determines its content, in types of JSON.
        fill: Writes all but `dataset.json` into an empty folder, and reports progress.
        log: Receives progress, one line at a time.

    Raises:
        DataError: if the folder holds something else.
    """
    # as it is read back: tuples become lists
    stored: Recipe = json.loads(json.dumps(recipe))
    if _is_there(folder, stored, log):
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with alone(folder.with_name(f".{folder.name}.lock"), log):
        if not _is_there(folder, stored, lambda _: None):
            _make(folder, num_videos, rate, stored, fill, log)


def _is_there(folder: pathlib.Path, recipe: Recipe, log: Log) -> bool:
    """Whether `folder` holds a data set of this recipe."""
    if not folder.exists():
        return False
    if not (folder / "dataset.json").is_file():
        raise errors.DataError(
            f"{folder} exists but is no data set (it has no dataset.json); remove it"
        )
    if catalog.read_dataset_file(folder).recipe == recipe:
        return True
    log(f"{folder.name} was made by another recipe; making it again")
    return False


def _make(
    folder: pathlib.Path,
    num_videos: int,
    rate: float,
    recipe: Recipe,
    fill: Fill,
    log: Log,
) -> None:
    """Makes the data set in a temporary folder and moves it into place."""
    began = time.monotonic()

    def progress(text: str) -> None:
        log(f"{folder.name}: {text} ({time.monotonic() - began:.0f} s)")

    seconds = round(1 + num_videos / rate)
    progress(f"making {num_videos} videos, about {seconds} s on two cores, once")
    prefix = f".{folder.name}-"
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=prefix) as scratch:
        made = pathlib.Path(scratch) / folder.name
        made.mkdir()
        fill(made, progress)
        catalog.write_dataset_file(
            made,
            name=folder.name,
            classes=benchmark.ACTIONS,
            num_videos=num_videos,
            aspects=_aspects(),
            recipe=recipe,
        )
        if folder.exists():
            shutil.move(folder, pathlib.Path(scratch) / "old")
        os.rename(made, folder)
    progress(f"ready in {folder}")


def _aspects() -> dict[str, aspect_table.Aspect]:
    """The aspects of the two labellers, in every folder."""
    source = "a small {} network trained on rendered still pictures"
    return {
        "scene": aspect_table.Aspect(
            "scene", "soft", len(benchmark.SCENES), source.format("mean-pooling")
        ),
        "object": aspect_table.Aspect(
            "object", "soft", len(benchmark.OBJECTS), source.format("max-pooling")
        ),
    }


def _inode(path: pathlib.Path) -> int | None:
    """The inode of the file at `path`, None if there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def alone(path: pathlib.Path, log: Log) -> Iterator[None]:
    """Waits until no other process makes the same data set; removes its lock file."""
    while True:
        with path.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log(f"waiting for the process that holds {path}")
                fcntl.flock(lock, fcntl.LOCK_EX)
            # the previous holder removed the file, so others may hold a new one
            if _inode(path) != os.fstat(lock.fileno()).st_ino:
                continue
            try:
                yield
            finally:
                path.unlink()
            return
