"""Checksums of the files of a checkpoint: written with it, verified before it is read.

Orbax checks the structure of a checkpoint, not the numbers: without these a flipped bit
in an array loads silently.
"""

import hashlib
import json
import pathlib

import orbax.checkpoint as ocp
from etils import epath

FILE = "digests.json"
# As fast as a disk where the processor has instructions for it, and in every Python.
_METHOD = "sha256"


class StandardHandler(ocp.StandardCheckpointHandler):
    """Saves arrays as Orbax does, with the digests of their files."""

    def finalize(self, directory: epath.Path) -> None:
        """Adds the digests after the files of all processes are there.

        Orbax calls this in the background, on the first process, before the step
        counts as saved: a step without digests is an earlier version's.
        """
        super().finalize(directory)
        # Read back from disk, so the arrays need no second copy in memory; the training
        # steps continue meanwhile.
        write(pathlib.Path(directory))


class JsonHandler(ocp.JsonCheckpointHandler):
    """Saves JSON as Orbax does, with the digest of its file."""

    def finalize(self, directory: epath.Path) -> None:
        """Adds the digest, as `StandardHandler` does."""
        super().finalize(directory)
        write(pathlib.Path(directory))


def write(folder: pathlib.Path) -> None:
    """Writes `digests.json` with the digest of every file in and below `folder`."""
    found = {
        path.relative_to(folder).as_posix(): _digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    (folder / FILE).write_text(json.dumps({"method": _METHOD, "files": found}))


def fault(folder: pathlib.Path) -> str | None:
    """Returns the first difference from the digests, empty if there is none.

    None means that the folder has no digests.
    """
    try:
        text = (folder / FILE).read_text("utf-8")
    except FileNotFoundError:
        return None
    try:
        content = json.loads(text)
        expected = content["files"].items()
        if content["method"] != _METHOD:
            raise ValueError(content["method"])
    except (ValueError, LookupError, TypeError, AttributeError):
        return f"{folder.name}/{FILE} is not a list of digests"
    # Other files may lie beside them: a file system adds its own.
    for name, digest in expected:
        path = folder / name
        if not path.is_file():
            return f"{folder.name}/{name} is missing"
        if _digest(path) != digest:
            return f"{folder.name}/{name} is not what was saved"
    return ""


def _digest(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, _METHOD).hexdigest()
