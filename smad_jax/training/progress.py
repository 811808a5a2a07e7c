"""A bar on the last line of a terminal; nothing at all in a pipe or a log."""

import logging
import os
import shutil
import sys
import time
from typing import TextIO

from smad_jax.training import log

_SECONDS = 0.2  # between drawings


class Bar:
    """How far a run is and how long it will take, on one line that is redrawn.

    A pipe, a file, CI and a process that logs nothing get no bar: there the lines of
    the log tell the same. Lines that are logged meanwhile appear above it.
    """

    def __init__(
        self, name: str, start: int, total: int, stream: TextIO | None = None
    ) -> None:
        """Draws nothing yet.

        Args:
            name: Of the run.
            start: Steps taken before.
            total: Steps of the whole run.
            stream: Where to draw; standard output by default.
        """
        self._name, self._start, self._total = name, start, total
        self._stream = stream or sys.stdout
        self._shown = _is_terminal(self._stream)
        self._first = 0.0  # when the first step was done: compiling is no measure
        self._drawn = float("-inf")
        self._line = ""
        self._handlers: list[_Above] = []

    def __enter__(self) -> "Bar":
        """Lets the lines of the log appear above the bar."""
        if self._shown:
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
        """Says that `step` steps are taken; draws at most five times a second."""
        if not self._shown:
            return
        now = time.perf_counter()
        if step == self._start + 1:
            self._first = now
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
        timed = step - self._start - 1
        rest = "eta ..."
        if timed > 0:
            each = (now - self._first) / timed
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


def _is_terminal(stream: TextIO) -> bool:
    """Whether lines can be redrawn there and this process tells anything."""
    return (
        stream.isatty()
        and os.environ.get("TERM", "dumb") != "dumb"
        and log.logger.isEnabledFor(logging.INFO)
    )
