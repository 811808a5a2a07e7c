"""Progress of a run or a test: a bar on a terminal, a line a minute elsewhere."""

import contextlib
import logging
import time
from collections.abc import Generator, Iterable, Mapping
from typing import Any, TypeVar

from rich import console, progress

from smad_jax.training import compiling, log, terminal

_LINE_SECONDS = 60.0  # between lines about a test
# The mean over a long time: saving now and then makes single steps slow.
_SPEED_SECONDS = 600.0

B = TypeVar("B", bound=Mapping[str, Any])


class Bar:
    """Share done and time left, on one line that is redrawn below the log's lines.

    Until the first update the line shows what is compiled, and for how long; then the
    log has how long it took. A pipe, a file, CI and a process that logs nothing get no
    bar: the lines of the log contain the same.

    Attributes:
        shown: Whether there is a terminal to draw on.
    """

    def __init__(self, name: str, total: int, program: str = "") -> None:
        """Draws nothing yet.

        Args:
            name: Of the run or test.
            total: Its steps, or videos.
            program: What JAX compiles before the first update, for the log too.
        """
        self._name, self._total, self._program = name, total, program
        self._watch = compiling.Watch()
        self._begun = False
        self._console = _console()
        self.shown = self._console is not None
        self._task: progress.TaskID | None = None
        self._open = contextlib.ExitStack()

    def __enter__(self) -> "Bar":
        """Shows that something is waited for."""
        waiting = f"compiling {self._program}" if self._program else "starting"
        if self._program:
            self._open.enter_context(self._watch)
        if self._console is not None:
            line = self._drawn(
                progress.TextColumn(waiting), progress.TimeElapsedColumn()
            )
            line.add_task(self._name, total=None)
        elif self._program:
            log.logger.info(f"{self._name}: {waiting}")
        return self

    def __exit__(self, *unused: object) -> None:
        """Removes the bar."""
        self._open.close()

    def update(self, step: int) -> None:
        """Shows that `step` of the total are done."""
        if not self._begun:
            self._begun = True
            self._open.close()
            if outcome := self._watch.outcome():
                log.logger.info(f"{self._name}: {self._program} was {outcome}")
        if self._console is None:
            return
        if self._task is None:
            # Begun only after the first update: compiling would spoil the estimate.
            self._bar = self._drawn(
                progress.BarColumn(),
                progress.MofNCompleteColumn(),
                progress.TaskProgressColumn(),
                progress.TextColumn("eta"),
                progress.TimeRemainingColumn(),
            )
            self._task = self._bar.add_task(
                self._name, total=self._total, completed=step
            )
        self._bar.update(self._task, completed=step)

    def _drawn(self, *columns: progress.ProgressColumn) -> progress.Progress:
        """A line on the terminal of the run's name and these columns."""
        return self._open.enter_context(
            progress.Progress(
                progress.TextColumn("{task.description}"),
                *columns,
                console=self._console,
                transient=True,
                refresh_per_second=5,
                speed_estimate_period=_SPEED_SECONDS,
                get_time=lambda: time.perf_counter(),
                # Standard output is for results, and may not be this terminal.
                redirect_stdout=False,
                redirect_stderr=False,
            )
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


def _console() -> console.Console | None:
    """Returns the terminal of the log; None if there is none, or nothing is logged."""
    if not log.logger.isEnabledFor(logging.INFO):
        return None
    for handler in log.logger.handlers:
        if isinstance(handler, terminal.Handler):
            return handler.console
    return None
