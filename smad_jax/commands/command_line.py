"""How a program of ours ends: what it prints, where, and with which exit code."""

import argparse
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType

from smad_jax import errors


def run(act: Callable[[], str | None], *, stopped: str = "interrupted") -> int:
    """Does what a command line asks for; returns the exit code.

    Args:
        act: Returns what there is to print, None for nothing more.
        stopped: What to say after Ctrl-C.

    Returns:
        0; 130 after Ctrl-C; after an error of the user's, a full disk and a missing
        permission among them, the code of its class, its message being on standard
        error.
    """
    try:
        with errors.machine_explained():
            said = act()
    except errors.UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"\n{stopped}", file=sys.stderr)
        return 130
    if said is not None:
        print(said)
    return 0


@contextlib.contextmanager
def ended_by_sigterm(told: str) -> Iterator[None]:
    """Lets SIGTERM end the body as an error would, so that it can clean up.

    Args:
        told: What to say then, on standard error; the exit code is 143.
    """

    def end(number: int, frame: FrameType | None) -> None:
        print(f"stopped by SIGTERM; {told}", file=sys.stderr, flush=True)
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def whole_number(least: int) -> Callable[[str], int]:
    """Returns the argparse type of a whole number from `least` on."""

    def read(text: str) -> int:
        number = int(text)
        if number < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, not {number}")
        return number

    read.__name__ = "whole number"  # argparse says: invalid whole number value
    return read
