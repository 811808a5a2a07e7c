"""Progress of a run or a test: a bar on a terminal, a line a minute elsewhere."""

import contextlib
import logging
import os
import shutil
import sys
import time
from collections.abc import Generator, Iterable, Mapping
from typing import Any, TextIO, TypeVar

import tqdm
from tqdm.contrib import logging as tqdm_logging

from smad_jax.training import log

_SECONDS = 0.2  # between drawings
_LINE_SECONDS = 60.0  # between lines about a test

B = TypeVar("B", bound=Mapping[str, Any])


class _Line(tqdm.tqdm):
    monitor_interval = 0  # no thread beside ours: every update looks at the clock

    @property
    def format_dict(self) -> dict[str, Any]:
        # tqdm knows neither $COLUMNS nor terminals that give their size as 0. One
        # column stays free: some terminals wrap a line that fills the last.
        columns = shutil.get_terminal_size().columns
        return {**super().format_dict, "ncols": columns - 1}


class Bar:
    """Share done and time left, on one line that is redrawn below the log's lines.

    A pipe, a file, CI and a process that logs nothing get no bar: the lines of the log
    contain the same.

    Attributes:
        shown: Whether there is a terminal to draw on.
    """

    def __init__(self, name: str, total: int, stream: TextIO | None = None) -> None:
        """Draws nothing yet; `stream` is by default where the log's lines go.

        `total` is the steps of the run called `name`, or the videos of the test.
        """
        self._name, self._total = name, total
        self._stream = stream or _log_stream()
        self.shown = _is_terminal(self._stream)
        self._line: _Line | None = None
        self._open = contextlib.ExitStack()

    def __enter__(self) -> "Bar":
        """Makes the lines of the log appear above the bar."""
        if self.shown:
            self._open.enter_context(tqdm_logging.logging_redirect_tqdm([log.logger]))
        return self

    def __exit__(self, *unused: object) -> None:
        """Removes the bar."""
        self._open.close()

    def update(self, step: int) -> None:
        """Shows that `step` of the total are done, at most five times a second."""
        if self._line is not None:
            self._line.update(step - self._line.n)
        elif self.shown:
            # Begun only after the first update: compiling would spoil the estimate.
            self._line = self._open.enter_context(self._drawn(step))

    def _drawn(self, step: int) -> _Line:
        return _Line(
            desc=self._name,
            total=self._total,
            initial=step,
            file=self._stream,
            leave=False,
            mininterval=_SECONDS,
            miniters=1,
            # The mean over all steps: saving now and then makes single ones slow.
            smoothing=0,
            ascii=".#",
            bar_format="{desc} [{bar}] {n_fmt}/{total_fmt} {percentage:3.0f}% "
            "eta {remaining}",
        )


def through(batches: Iterable[B], name: str, total: int) -> Generator[B]:
    """Yields test batches and reports how many videos are done.

    Their `mask` [L] is False for padding; `total` is the videos of this process.
    """
    done, first, reported = 0, 0, time.perf_counter()
    began = None  # when the first batch was done: compiling would spoil the rate
    with Bar(name, total) as bar:
        for batch in batches:
            yield batch
            done += int(batch["mask"].sum())
            bar.update(done)
            now = time.perf_counter()
            if began is None:
                began, first = now, done
            elif now - reported >= _LINE_SECONDS and done > first and not bar.shown:
                reported, rate = now, (done - first) / (now - began)
                log.logger.info(
                    f"{name}: {done:,} of {total:,} videos, {rate:.1f} videos/s, "
                    f"eta {log.clock(int((total - done) / rate))}"
                )


def _log_stream() -> TextIO:
    """Returns the stream of the log's lines on a console."""
    for handler in log.logger.handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(
            handler, logging.FileHandler
        ):
            return handler.stream
    return sys.stdout


def _is_terminal(stream: TextIO) -> bool:
    """Returns whether lines can be redrawn there and this process logs anything."""
    return (
        stream.isatty()
        and os.environ.get("TERM", "dumb") != "dumb"
        and log.logger.isEnabledFor(logging.INFO)
    )
