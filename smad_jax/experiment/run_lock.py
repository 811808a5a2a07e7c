"""The lock of a run's folder: two trainings in one would mix their files.

The kernel, or the NFS server, holds the lock and drops it when the process ends in
whatever way, so no lock is ever stale. The file beside it only names the holder.
"""

import contextlib
import datetime
import errno
import fcntl
import json
import os
import pathlib
import socket
import sys
from collections.abc import Iterator

from smad_jax import errors
from smad_jax.training import log

FILE = ".lock"
# Some network file systems have no locks.
_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS)


@contextlib.contextmanager
def held(folder: pathlib.Path) -> Iterator[None]:
    """Holds the lock of a folder, which is created, in the body of the `with`.

    Raises:
        ConfigError: naming the process that holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    place = _locked(path)
    try:
        os.ftruncate(place, 0)
        os.pwrite(place, json.dumps(_this_process()).encode(), 0)
        yield
    finally:
        # Removed while it is held; who opened it meanwhile finds that it is gone.
        path.unlink(missing_ok=True)
        os.close(place)
        # A run that failed before it began leaves nothing behind.
        with contextlib.suppress(OSError):
            folder.rmdir()


def _locked(path: pathlib.Path) -> int:
    """Opens and locks the file; returns its descriptor."""
    while True:
        place = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            # Not flock, whose lock the workers of a killed process would keep.
            fcntl.lockf(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(place, 4096, 0)
            if error.errno in _WITHOUT_LOCKS and not _runs_here(holder):
                log.logger.warning(
                    f"{path.parent} is on a file system without locks; make sure that "
                    "no other process trains there"
                )
                return place
            os.close(place)
            if error.errno not in (errno.EACCES, errno.EAGAIN, *_WITHOUT_LOCKS):
                raise
            raise errors.ConfigError(
                f"{path.parent} is in use by {_named(holder)}; wait until it ends, "
                "stop it, or choose another --workdir"
            ) from error
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(place), path.stat()):
                return place
        os.close(place)  # its holder removed it in between


def _this_process() -> dict[str, object]:
    now = datetime.datetime.now(datetime.UTC)
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": now.isoformat(" ", "seconds"),
        "command": " ".join(sys.argv),
    }


def _named(holder: bytes) -> str:
    """The holder in words, by the content of the file."""
    try:
        found = json.loads(holder)
        return (
            f"process {found['pid']} on {found['host']} since {found['since']} "
            f"({found['command']})"
        )
    except (ValueError, LookupError, TypeError):  # it has just begun
        return "another process"


def _runs_here(holder: bytes) -> bool:
    """Whether the file names a living process of this host."""
    try:
        found = json.loads(holder)
        here = found["host"] == socket.gethostname()
        os.kill(int(found["pid"]), 0)
    except PermissionError:  # it lives, as another user's
        return True
    except (ValueError, LookupError, TypeError, OSError):
        return False
    return here
