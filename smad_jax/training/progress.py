"""How far a run or a test is: a bar on the last line of a terminal, lines elsewhere."""

import logging
import os
import shutil
import sys
import time
from collections.abc import Generator, Iterable, Mapping
from typing import Any, TextIO, TypeVar

from smad_jax.training import log

_SECONDS = 0.2  # between drawings
_LINE_SECONDS = 60.0  # between lines about a test

B = TypeVar("B", bound=Mapping[str, Any])


class Bar:
    """How far something is and how long it will take, on one line that is redrawn.

    A pipe, a file, CI and a process that logs nothing get no bar: there the lines of
    the log tell the same. Lines that are logged meanwhile appear above it.

    Attributes:
        shown: Whether there is a terminal to draw it on.
    """

    def __init__(self, name: str, total: int, stream: TextIO | None = None) -> None:
        """Draws nothing yet.

        Args:
            name: Of the run or test.
            total: Steps, or videos, of the whole.
            stream: Where to draw; by default where the log's lines go.
        """
        self._name, self._total = name, total
        self._stream = stream or _log_stream()
        self.shown = _is_terminal(self._stream)
        # where the first update was, and when: compiling is no measure
        self._first: tuple[int, float] | None = None
        self._drawn = float("-inf")
        self._line = ""
        self._handlers: list[_Above] = []

    def __enter__(self) -> "Bar":
        """Lets the lines of the log appear above the bar."""
        if self.shown:
            for handler in log.logger.handlers:
                if isinstance(handler, logging.StreamHandler) and (
                    handler.stream is self._stream
                ):
                    self._handlers.append(_Above(handler, self))
        return self

    def __exit__(self, *unused: object) -> None:
        """Removes the bar."""
        for handler in self._handlers:
            handler.restore()
        self.clear()

    def update(self, step: int) -> None:
        """Says that `step` of the total are done; draws at most five times a second."""
        if not self.shown:
            return
        now = time.perf_counter()
        self._first = self._first or (step, now)
        if step < self._total and now - self._drawn < _SECONDS:
            return
        self._drawn = now
        self._line = self._text(step, now)
        self.draw()

    def draw(self) -> None:
        """Draws the line as it was last."""
        if self._line:
            self._stream.write(f"\r\x1b[K{self._line}")
            self._stream.flush()

    def clear(self) -> None:
        """Removes the line from the screen."""
        if self._line:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _text(self, step: int, now: float) -> str:
        first, began = self._first or (step, now)
        rest = "eta ..."
        if step > first:
            each = (now - began) / (step - first)
            rest = f"eta {log.clock(int(each * (self._total - step)))}"
        told = f" {step}/{self._total} {step / self._total:4.0%} {rest}"
        # one column stays free: some terminals wrap a line that fills the last
        room = shutil.get_terminal_size().columns - 1 - len(told)
        name = self._name[: max(0, room - 14)]
        width = min(40, room - len(name) - 3)
        if width < 5:
            return told.strip()[: max(0, room + len(told))]
        filled = int(width * step / self._total)
        return f"{name} [{'#' * filled}{'.' * (width - filled)}]{told}"


def through(batches: Iterable[B], name: str, total: int) -> Generator[B]:
    """Yields test batches and tells how many videos are done.

    On a terminal that is a bar, elsewhere a line a minute in the log.

    Args:
        batches: Mappings with `mask` [L], False for padding.
        name: Of the test.
        total: Videos of this process.
    """
    done, first, told = 0, 0, time.perf_counter()
    began = None  # when the first batch was done: compiling is no measure
    with Bar(name, total) as bar:
        for batch in batches:
            yield batch
            done += int(batch["mask"].sum())
            bar.update(done)
            now = time.perf_counter()
            if began is None:
                began, first = now, done
            elif now - told >= _LINE_SECONDS and done > first and not bar.shown:
                told, rate = now, (done - first) / (now - began)
                log.logger.info(
                    f"{name}: {done:,} of {total:,} videos, {rate:.1f} videos/s, "
                    f"eta {log.clock(int((total - done) / rate))}"
                )


class _Above:
    """Makes a handler's lines appear above a bar."""

    def __init__(self, handler: logging.Handler, bar: Bar) -> None:
        self._handler, self._emit = handler, handler.emit

        def emit(record: logging.LogRecord) -> None:
            bar.clear()
            self._emit(record)
            bar.draw()

        handler.emit = emit

    def restore(self) -> None:
        self._handler.emit = self._emit


def _log_stream() -> TextIO:
    """Where the log's lines appear on a console."""
    for handler in log.logger.handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(
            handler, logging.FileHandler
        ):
            return handler.stream
    return sys.stdout


def _is_terminal(stream: TextIO) -> bool:
    """Whether lines can be redrawn there and this process tells anything."""
    return (
        stream.isatty()
        and os.environ.get("TERM", "dumb") != "dumb"
        and log.logger.isEnabledFor(logging.INFO)
    )
