"""The log on a terminal: wrapped lines, and a training run as rows of a table.

Files and pipes get complete plain lines instead (`log.progress_line`).
"""

import logging
import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TextIO

from rich import console, control, segment

_GAP = "  "
_FRESH_LINE = control.Control(
    (segment.ControlType.ERASE_IN_LINE, 2), segment.ControlType.CARRIAGE_RETURN
)
_ROWS_OF_A_HEADER = 25  # then it is repeated, as it has scrolled away


class Row(NamedTuple):
    """What a terminal shows of the steps since the last row.

    Attributes:
        name: Of the run: several may share a terminal.
        step: Steps done.
        total_steps: Of the run.
        steps_per_epoch: Steps of an epoch.
        values: Means of a `log.Window`.
        chance: For each adversary, the accuracy of always answering its most frequent
            label; an adversary at chance has nothing left to read.
        action_chance: The same for the action.
        eta: Time left, as text.
    """

    name: str
    step: int
    total_steps: int
    steps_per_epoch: int
    values: Mapping[str, float]
    chance: Mapping[str, float]
    action_chance: float
    eta: str

    @property
    def epochs(self) -> int:
        """Epochs of the run, also of one that ends within an epoch."""
        return -(-self.total_steps // self.steps_per_epoch)

    @property
    def epoch(self) -> int:
        """The epoch of the step, from 1."""
        return min((self.step - 1) // self.steps_per_epoch + 1, self.epochs)


class _Column(NamedTuple):
    """A title in two lines and a value; the largest `rank` gives way first."""

    title: str
    below: str
    cell: str
    rank: int
    width: int


class Handler(logging.Handler):
    """Writes the log on a terminal, above anything that is redrawn there.

    Attributes:
        console: The terminal.
    """

    def __init__(self, stream: TextIO, *, details: bool = False) -> None:
        """Takes a stream that `is_terminal`; `details` adds terms and data time."""
        super().__init__()
        # Forced: by itself Rich would also obey variables of other programs.
        self.console = console.Console(
            file=stream, force_terminal=True, markup=False, highlight=False, emoji=False
        )
        self._details = details
        self._titles: list[str] = []
        self._rows = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a message, or the row that it brings along."""
        # Another run in this terminal may have left its bar on the line.
        self.console.control(_FRESH_LINE)
        row = getattr(record, "row", None)
        if row is not None:
            self._write(row)
        # A line of JSON is long, and of no use to who reads the table.
        elif not getattr(record, "for_programs", False):
            self._titles = []  # what follows a message starts with a header
            style = "yellow" if record.levelno >= logging.WARNING else None
            self.console.print(self.format(record), style=style)

    def _write(self, row: Row) -> None:
        columns = _fitting(_columns(row, self._details), self.console.width - 1)
        titles = [column.title for column in columns]
        if titles != self._titles or self._rows == _ROWS_OF_A_HEADER:
            self._titles, self._rows = titles, 0
            self.console.print()
            self.console.print(_line(columns, "title"), style="bold", no_wrap=True)
            self.console.print(_line(columns, "below"), style="dim", no_wrap=True)
        self._rows += 1
        self.console.print(_line(columns, "cell"), no_wrap=True, overflow="crop")


def is_terminal(stream: TextIO) -> bool:
    """Returns whether lines can be redrawn on a stream."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _columns(row: Row, details: bool) -> Iterator[_Column]:
    """Yields the columns of a row from left to right."""
    # The bar below repeats name and time left, so these go before what is measured. A
    # single run needs no name, but two in one terminal (`make demo`) do.
    values = row.values
    yield _Column("run", "", row.name, 3, len(row.name))
    for title, done, total, rank in (
        ("step", row.step, row.total_steps, 0),
        ("epoch", row.epoch, row.epochs, 5),
    ):
        # By the total, so that columns keep their width from the first row to the last.
        label = "chance" if title == "step" else ""
        widest = max(len(label), len(title), len(f"{total}/{total}"))
        yield _Column(title, label, f"{done}/{total}", rank, widest)
    yield _Column("loss", "", f"{values['loss']:.3f}", 0, 6)
    shares = {"accuracy": ("action", row.action_chance)}
    shares |= {name: (name, share) for name, share in row.chance.items()}
    for title, (name, share) in shares.items():
        cell = f"{values[f'accuracy/{name}']:.1%}"
        yield _Column(title, f"{share:.1%}", cell, 1, max(6, len(title)))
    yield _Column("clips/s", "", f"{values['clips_per_second']:.0f}", 4, 7)
    yield _Column("eta", "", row.eta, 2, 8)
    if not details:
        return
    for key, value in values.items():
        if key.startswith("loss/"):
            name = key.removeprefix("loss/")
            yield _Column(name, "loss", f"{value:.3f}", 2, max(6, len(name)))
    waiting = values["time/data"] / values["time/step"]
    yield _Column("waiting", "for data", f"{waiting:.0%}", 2, 8)
    yield _Column("learning", "rate", f"{values['learning_rate']:.2g}", 2, 8)


def _fitting(columns: Iterator[_Column], width: int) -> list[_Column]:
    """Returns the columns, without as many as it takes to fit `width` characters."""
    # A row that wraps would take two lines, and no column would stand below another.
    kept = list(columns)
    while len(_line(kept, "title")) > width and len(kept) > 1:
        # Of equal ones the right one.
        kept.remove(max(reversed(kept), key=lambda column: column.rank))
    return kept


def _line(columns: list[_Column], part: str) -> str:
    """Returns one line of the table."""
    cells = [f"{getattr(column, part):>{column.width}}" for column in columns]
    if columns[0].title == "run":
        cells[0] = f"{getattr(columns[0], part):<{columns[0].width}}"
    return _GAP.join(cells)
