"""Logs of a run: console, metrics.jsonl and TensorBoard."""

import collections
import contextlib
import json
import logging
import pathlib
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TextIO

import numpy as np

from smad_jax import errors
from smad_jax.training import terminal, wandb_log

Saved = Mapping[str, Any]  # plain values, as JSON has them

logger = logging.getLogger("smad_jax")


class _Printable(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        # Names of files and classes are a stranger's.
        return errors.printable(super().format(record))


def on_standard_error() -> contextlib.AbstractContextManager[None]:
    """Sends the log to standard error meanwhile; standard output is for results."""
    return _on(sys.stderr)


def shown() -> contextlib.AbstractContextManager[None]:
    """Sends the log to standard output meanwhile, unless the caller has set it up."""
    # A level too: of a caller who prefers silence, or all processes of a pod but one.
    own = logger.handlers or logger.level != logging.NOTSET
    return contextlib.nullcontext() if own else _on(sys.stdout)


@contextlib.contextmanager
def _on(stream: TextIO) -> Iterator[None]:
    before = logger.handlers, logger.level, logger.propagate
    to_console(stream)
    try:
        yield
    finally:
        for handler in logger.handlers:  # a run's file among them
            handler.close()
        logger.handlers, logger.level, logger.propagate = before


def to_console(stream: TextIO | None = None, *, details: bool = False) -> None:
    """Sends the log to a stream, standard output by default.

    A pipe gets a plain line a message, a terminal what `terminal.Handler` makes of it;
    `details` is for the latter. Neither gets a message with the attribute `for_file`.
    """
    target = stream or sys.stdout
    handler = (
        terminal.Handler(target, details=details)
        if terminal.is_terminal(target)
        else logging.StreamHandler(target)
    )
    handler.setFormatter(_Printable("%(message)s"))
    handler.addFilter(lambda record: not getattr(record, "for_file", False))
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    # Orbax logs every step of a save, and JAX every backend that is missing.
    for talkative in ("absl", "jax"):
        logging.getLogger(talkative).setLevel(logging.WARNING)


def quieten() -> None:
    """Lets only warnings through, for all processes of a pod but one."""
    logger.setLevel(logging.WARNING)


def to_file(path: pathlib.Path) -> None:
    """Adds the log, with times, to a file, in place of an earlier file."""
    # One folder a file: a process that runs several trainings must not mix their logs.
    for before in [h for h in logger.handlers if isinstance(h, logging.FileHandler)]:
        logger.removeHandler(before)
        before.close()
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(_Printable("%(asctime)s %(message)s"))
    logger.addHandler(handler)


class Window:
    """Means of the steps since the last line, and how their time was spent.

    A checkpoint between two lines stores what `saved` returns, so that the lines of a
    run that resumes are those of one that was never stopped.
    """

    def __init__(self, saved: Saved | None = None) -> None:
        saved = saved or {}
        # Sums, not the last step: of four videos, accuracy is a multiple of 25 %.
        self._sums = collections.defaultdict(float, saved.get("sums", {}))
        self._counts = collections.defaultdict(int, saved.get("counts", {}))
        self._steps: int = saved.get("steps", 0)
        self._clips: int = saved.get("clips", 0)
        self._data_seconds: float = saved.get("data_seconds", 0.0)
        self._start = time.perf_counter() - saved.get("seconds", 0.0)

    def add(
        self,
        metrics: Mapping[str, float],
        data_seconds: float,
        *,
        clips: int,
        stream: str = "",
    ) -> None:
        """Counts one update of `clips` videos that waited `data_seconds` for them.

        An update on a web stream is logged under the stream's name and is not a step.
        """
        for name, value in metrics.items():
            name = f"{stream}/{name}" if stream else name
            self._sums[name] += value
            self._counts[name] += 1
        self._data_seconds += data_seconds
        self._clips += clips
        self._steps += not stream

    def leave_out(self, seconds: float) -> None:
        """Does not count the last `seconds` as time of a step."""
        self._start += seconds

    def saved(self) -> Saved:
        """Returns the sums so far, as plain values for a checkpoint."""
        return {
            "sums": dict(self._sums),
            "counts": dict(self._counts),
            "steps": self._steps,
            "clips": self._clips,
            "data_seconds": self._data_seconds,
            "seconds": time.perf_counter() - self._start,
        }

    @property
    def empty(self) -> bool:
        """Whether no step was added."""
        return self._steps == 0

    def means(self) -> dict[str, float]:
        """Returns mean metrics, seconds a step (`time/step`, `time/data`) and clips/s.

        `time/step` is all of a step's wall time but for saves and tests, `time/data`
        the part of it that was spent waiting for data. Updates on web batches are part
        of the step before them, and their clips count.
        """
        seconds = time.perf_counter() - self._start
        means = {name: total / self._counts[name] for name, total in self._sums.items()}
        return means | {
            "time/step": seconds / self._steps,
            "time/data": self._data_seconds / self._steps,
            "clips_per_second": self._clips / seconds,
        }


class Journal:
    """Appends to `metrics.jsonl` and to TensorBoard files in a run's folder."""

    def __init__(
        self,
        workdir: pathlib.Path | None,
        start_step: int = 0,
        *,
        wandb_project: str = "",
    ) -> None:
        """Opens both and drops the lines after `start_step`, which a run repeats.

        `workdir` is the run's folder, or None, as in all processes but one, to write
        nothing. With a project, metrics also go to Weights & Biases.
        """
        self._file = self._board = self._online = None
        if workdir is None:
            return
        if wandb_project:  # first: it may refuse
            self._online = wandb_log.WandbRun(wandb_project, workdir)
        path = workdir / "metrics.jsonl"
        # A killed run has logged steps after its last checkpoint; they are done again.
        if path.is_file():
            path.write_text(_up_to(start_step, path.read_text("utf-8")), "utf-8")
        self._file = path.open("a", encoding="utf-8")
        # Imported here: it imports PyTorch, where that is installed, for seconds.
        import tensorboardX

        # TensorBoard, too, then hides what it has of the steps that are repeated.
        self._board = tensorboardX.SummaryWriter(
            str(workdir / "tensorboard"), purge_step=start_step + 1
        )

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one line and one point a value, at a number of training batches."""
        if self._file is None or self._board is None:
            return
        # One line a step: a killed run can lose no more than its last line.
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()  # so that a killed run has its last line
        for name, value in values.items():
            self._board.add_scalar(name, value, step)
        if self._online is not None:
            self._online.write(step, values)

    def show(
        self, step: int, name: str, values: np.ndarray, pictures: np.ndarray
    ) -> None:
        """Adds a histogram and pictures [n, H, W, 3] uint8 RGB to TensorBoard.

        Both have one name, `look/actionness` for instance; `step` is as for `write`.
        """
        if self._board is None:
            return
        # Of a network that a skipped step shows to be broken, none may be a number.
        if np.isfinite(values).any():
            finite = values[np.isfinite(values)]
            self._board.add_histogram(name, finite, step)
        self._board.add_images(name, pictures, step, dataformats="NHWC")

    def close(self) -> None:
        """Flushes and closes all of them."""
        for part in (self._file, self._board, self._online):
            if part is not None:
                part.close()


def _up_to(step: int, lines: str) -> str:
    """Returns the lines of steps up to `step`, without a line that is cut off."""
    kept = []
    for line in lines.splitlines(keepends=True):
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except ValueError:
            continue
    return "".join(kept)


class TimeLeft:
    """The time that is left of a run, by its mean step but the first."""

    def __init__(self, total_steps: int) -> None:
        self._total_steps = total_steps
        self._began: tuple[int, float] | None = None

    def at(self, step: int) -> str:
        """Returns hours:minutes:seconds after a step; `?` at the first call."""
        now = time.perf_counter()
        # The first step of a process is mostly compiling: hours for a run of minutes.
        if self._began is None:
            self._began = step, now
            return "?"
        first, began = self._began
        return clock(int((self._total_steps - step) * (now - began) / (step - first)))


def report(row: terminal.Row, web: Iterable[str] = ()) -> None:
    """Logs a row: as one of a table on a terminal, as a plain line elsewhere."""
    logger.info(progress_line(row, web), extra={"row": row})


def progress_line(row: terminal.Row, web: Iterable[str] = ()) -> str:
    """Returns the plain line of a training run's row.

    It starts with the run's name, as several runs may share a terminal. Of the `web`
    streams those that had a turn get their loss and accuracy.
    """
    values = row.values
    losses = " ".join(
        f"{name.removeprefix('loss/')} {value:.3f}"
        for name, value in values.items()
        if name.startswith("loss/")
    )
    accuracies = f"accuracy {values['accuracy/action']:.1%}" + "".join(
        f" {name} {values[f'accuracy/{name}']:.1%} (chance {share:.1%})"
        for name, share in row.chance.items()
    )
    webs = "".join(
        f"{stream} {values[f'{stream}/loss']:.3f} "
        f"{values[f'{stream}/accuracy/action']:.1%} | "
        for stream in web
        if f"{stream}/loss" in values
    )
    return (
        f"{row.name} step {row.step}/{row.total_steps} "
        f"(epoch {row.epoch}/{row.epochs}) | "
        f"loss {values['loss']:.3f}: {losses} | {accuracies} | {webs}"
        f"lr {values['learning_rate']:.3g} | "
        f"data {values['time/data']:.3f}s of step {values['time/step']:.3f}s | "
        f"{values['clips_per_second']:.0f} clips/s | eta {row.eta}"
    )


def clock(seconds: int) -> str:
    """Returns hours:minutes:seconds."""
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
