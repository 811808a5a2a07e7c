"""What all commands share: their shape, what they print where, and their exit codes."""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import sys
import textwrap
import typing
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from types import FrameType
from typing import TextIO

from smad_jax import errors
from smad_jax.base import sections


def version() -> str:
    """Returns the program's name and version."""
    try:
        return f"smad_jax {metadata.version('smad_jax')}"
    except metadata.PackageNotFoundError:
        return "smad_jax (run from its source folder)"


def run(act: Callable[[], str | None], *, stopped: str = "stopped by Ctrl-C") -> int:
    """Runs a command, prints its result, and returns the exit code.

    Args:
        act: Returns the text to print, None for none.
        stopped: The message after Ctrl-C.

    Returns:
        0; 130 after Ctrl-C; the code of its class after an error that the user can
        put right, such as a full disk. Its message is printed on standard error.
    """
    try:
        with errors.machine_explained():
            text = act()
    except errors.UserError as error:
        on_standard_error(f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        print(f"\n{stopped}", file=sys.stderr)
        return 130
    if text is not None:
        show(text)
    return 0


def show(text: str) -> None:
    """Prints a text on standard output, which may be closed, as `head` does."""
    try:
        print(_wrapped(errors.printable(text), sys.stdout), flush=True)
    except BrokenPipeError:
        # Python flushes once more at exit, and would report the same error there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@dataclasses.dataclass(frozen=True)
class Program:
    """A command: its options, and the typed function that receives them.

    Calling it with a command line runs it and returns the exit code.

    Attributes:
        name: How it is called, `python -m data_prep.k200db`.
        help: One line about what it does, for lists of commands.
        add_arguments: Adds the options to a parser. Each one's destination is a
            parameter of `run`.
        run: Does the work; takes every option by keyword and returns what to print. A
            parameter that is a dataclass receives the options that its fields name.
        stopped: The message after Ctrl-C.
    """

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[..., str | None]
    stopped: str = "stopped by Ctrl-C"

    def parser(self) -> argparse.ArgumentParser:
        """Returns the parser of its command line."""
        parser = _Parser(
            prog=self.name,
            description=f"{self.help[0].upper()}{self.help[1:]}.",
            formatter_class=_Defaults,
        )
        self.add_arguments(parser)
        return parser

    def __call__(self, arguments: Sequence[str] | None = None) -> int:
        """Runs the command; `arguments` are those of the process by default."""
        chosen = vars(self.parser().parse_args(arguments))
        return run(lambda: self.run(**self._grouped(chosen)), stopped=self.stopped)

    def _grouped(self, chosen: dict[str, object]) -> dict[str, object]:
        """The options by the names of the parameters of `run`."""
        for name, kind in typing.get_type_hints(self.run).items():
            if dataclasses.is_dataclass(kind):
                fields = {field.name for field in dataclasses.fields(kind)}
                part = {key: chosen[key] for key in chosen if key in fields}
                chosen = {key: chosen[key] for key in chosen if key not in fields}
                chosen[name] = sections.read(typing.cast(type, kind), "", part)
        return chosen


class _Parser(argparse.ArgumentParser):
    """Shows its help as all results are shown."""

    def print_help(self, file: object = None) -> None:
        show(self.format_help().rstrip())


class _Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the default of every option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, "", []) or action.const is not None:
            return action.help
        if isinstance(action.default, list):
            return f"{action.help} (default: {' '.join(map(str, action.default))})"
        return super()._get_help_string(action)


@contextlib.contextmanager
def ended_by_sigterm(advice: str) -> Iterator[None]:
    """Lets SIGTERM end the body as an error would, so that it can clean up.

    Args:
        advice: Printed on standard error then; the exit code is 143.
    """

    def end(number: int, frame: FrameType | None) -> None:
        print(f"stopped by SIGTERM; {advice}", file=sys.stderr, flush=True)
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def whole_number(least: int) -> Callable[[str], int]:
    """Returns the argparse type of a whole number of at least `least`."""

    def read(text: str) -> int:
        number = int(text)
        if number < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, not {number}")
        return number

    read.__name__ = "whole number"  # for argparse: invalid whole number value
    return read


def add_data_root(parser: argparse.ArgumentParser, option: str = "--data-root") -> None:
    """Adds the option of the folder of data sets."""
    parser.add_argument(
        option,
        type=pathlib.Path,
        default=pathlib.Path(os.environ.get("DATA_ROOT", "") or "datasets"),
        help="folder of the data sets; $DATA_ROOT changes the default",
    )


def on_standard_error(line: str) -> None:
    """Prints a line of progress: standard output is for the result."""
    print(_wrapped(errors.printable(line), sys.stderr), file=sys.stderr, flush=True)


def _wrapped(text: str, stream: TextIO) -> str:
    """Text whose lines a terminal would break inside words, broken at spaces."""
    if not stream.isatty():
        return text
    width = shutil.get_terminal_size().columns - 1
    return "\n".join(
        # An indented line is a command to be copied, or a row of a table.
        line
        if len(line) <= width or line.startswith(" ")
        else textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
        for line in text.split("\n")
    )
