"""The errors a user can cause, each with the exit code of the command line.

Everything else that goes wrong is a defect of the program and shows its traceback.
"""

import contextlib
import errno
import re
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
# Control characters but line break and tab, marks that reverse the order of text, and
# bytes that are no text: in the name of a file they would move the cursor or hide a
# part of the line.
_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_OURS = ("smad_jax", "data_prep", "configs", "")


class UserError(ValueError):
    """Base class; commands print the message alone and exit with `exit_code`."""

    exit_code = 1

    def __str__(self) -> str:
        return printable(super().__str__())


class ConfigError(UserError):
    """The command or the config names something that does not exist."""

    exit_code = 2


class DataError(UserError):
    """Data is missing, malformed, or worse than the limits allow."""

    exit_code = 3


class NonFiniteLossError(UserError):
    """A loss or gradient stopped being a finite number."""

    exit_code = 4


def printable(text: str) -> str:
    r"""Returns a text for a terminal or a log, with control characters as `\x1b`."""
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)


@contextlib.contextmanager
def machine_explained() -> Iterator[None]:
    """Turns what the user can put right on the machine into a UserError with advice.

    That is a full disk, a missing permission, a file in the place of a folder, or a
    package that is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in _OURS:
            raise
        raise ConfigError(
            f"{package} is needed but not installed; in the project's folder, pip "
            "install '.[cpu]' (on a GPU '.[cuda12]', on a TPU '.[tpu]', for the audit "
            "alone '.[audit]') installs it"
        ) from error
    except OSError as error:
        advice = _MACHINE.get(error.errno or 0)
        if advice is None:
            raise
        where = f"{error.filename}: " if error.filename else ""
        raise DataError(f"{where}{error.strerror}; {advice}") from error
