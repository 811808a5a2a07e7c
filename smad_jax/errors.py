"""The errors a user can cause, each with the exit code of the command line.

Everything else that goes wrong is a defect of ours and shows its traceback.
"""

import contextlib
import errno
from collections.abc import Iterator

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
_MACHINE = {
    **dict.fromkeys(FULL_DISK, "make room and run the same command again"),
    errno.EACCES: "give permission, or choose another folder",
    errno.EPERM: "give permission, or choose another folder",
    errno.EROFS: "choose a folder that can be written to",
    errno.ENOTDIR: "a folder is needed there, choose another one",
    errno.EEXIST: "a folder is needed there, choose another one",
}


class UserError(ValueError):
    """Base class; `main.py` prints the message alone and exits with `exit_code`."""

    exit_code = 1


class ConfigError(UserError):
    """The command or the config asks for something that does not exist."""

    exit_code = 2


class DataError(UserError):
    """Data is missing, malformed, or worse than the limits allow."""

    exit_code = 3


class NonFiniteLossError(UserError):
    """A loss or gradient stopped being a finite number."""

    exit_code = 4


@contextlib.contextmanager
def machine_explained() -> Iterator[None]:
    """Makes what the user can put right of the machine a DataError that says how.

    That is a full disk, a missing permission, or a file in the place of a folder.
    """
    try:
        yield
    except OSError as error:
        advice = _MACHINE.get(error.errno or 0)
        if advice is None:
            raise
        where = f"{error.filename}: " if error.filename else ""
        raise DataError(f"{where}{error.strerror}; {advice}") from error
