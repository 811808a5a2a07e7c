"""Test sets predicted while a run trains, and the best network so far.

The best network stands in `RUN/best`, which has all files of a run: commands take it in
place of `RUN`.
"""

import contextlib
import pathlib
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import jax
import numpy as np
from jax.experimental import multihost_utils

from smad_jax.base import file_io
from smad_jax.experiment import opening, run_record, testing
from smad_jax.training import checkpoint, log, train_state

FOLDER = "best"
_FILE = "validation.json"
_OF_THE_RUN = ("config.json", "env.json", "labels.json")


def opened(
    run: opening.Run, journal: log.Journal, start: int
) -> contextlib.AbstractContextManager[Callable[[train_state.TrainState], None]]:
    """Returns what is given each saved state; without validation it does nothing."""
    if not run.settings.evaluation.every_epochs:
        return contextlib.nullcontext(lambda state: None)
    return Validation(run, journal, start)


class Validation:
    """Predicts test sets every few epochs, and keeps the network with the best score.

    The score is the mean top-1 accuracy of the sets; of equal scores the first counts.
    Use as a context manager, as checkpoints.
    """

    def __init__(self, run: opening.Run, journal: log.Journal, start: int) -> None:
        """Continues where the training that resumes at step `start` left it."""
        self._began, self._journal = time.perf_counter(), journal
        sets = run.settings.evaluation.during or tuple(run.splits.tests)
        tests = {name: run.splits.tests[name] for name in sets}
        best, self._file = run.folder / FOLDER, run.folder / _FILE
        # A run like the whole one, so that testing and recording know no difference.
        self._run = replace(run, folder=best, splits=run.splits._replace(tests=tests))
        self._every = run.settings.evaluation.every_epochs * run.plan.steps_per_epoch
        # What was found at later steps will be found again, by the same numbers.
        self._scores = {k: v for k, v in _read(self._file).items() if k <= start}
        _forget_after(start, best / "checkpoints")
        self._checkpoints = checkpoint.Checkpoints(best / "checkpoints", keep=1)

    def __enter__(self) -> "Validation":
        return self

    def __exit__(self, *error: object) -> None:
        self._checkpoints.__exit__(*error)

    def __call__(self, state: train_state.TrainState) -> None:
        """Predicts the sets if it is time, and was not done before."""
        step, plan = int(state.step), self._run.plan
        due = step % self._every == 0 or step == plan.total_steps
        if not (step and due) or step in self._scores:
            return
        tested = dict(testing.predict_sets(self._run, state))
        score = float(np.mean([one.scores["top1"] for one in tested.values()]))
        # Not `>=`: a run that resumes must not replace a network by its equal.
        if score > max(self._scores.values(), default=-1.0):
            self._keep(state, tested)
        self._scores[step] = score
        best = max(self._scores, key=lambda step: self._scores[step])
        log.logger.info(
            f"{plan.name} after epoch {step / plan.steps_per_epoch:g}: "
            + ", ".join(f"{k} {one.scores['top1']:.1%}" for k, one in tested.items())
            + f" | best {self._scores[best]:.1%}, epoch {best / plan.steps_per_epoch:g}"
            + (f", in {self._run.folder}" if step == plan.total_steps else "")
        )
        named = testing.by_name(tested)
        self._journal.write(step, {f"test/{name}": v for name, v in named.items()})
        # Last: a run that is killed before this predicts the sets of this step again.
        if jax.process_index() == 0:
            file_io.write_json(self._file, {"scores": self._scores})

    def _keep(
        self, state: train_state.TrainState, tested: Mapping[str, testing.Tested]
    ) -> None:
        """Stores the network, its predictions and its results as a run."""
        folder = self._run.folder
        self._checkpoints.save(state, self._run.position(state))
        # Not in the background: the score must not be on record without its network.
        self._checkpoints.wait()
        if jax.process_index() > 0:
            return
        # Copies, not links: the folder can be moved without the run around it.
        for name in _OF_THE_RUN:
            shutil.copyfile(folder.parent / name, folder / name)
        for name, one in tested.items():
            one.predictions.save(folder / "predictions" / f"{name}.npz")
        seconds = time.perf_counter() - self._began
        run_record.store(folder, testing.record(self._run, tested, seconds, None, 0))


def is_complete(run: opening.Run) -> bool:
    """Returns whether a finished run has predicted its sets after the last step too."""
    every = run.settings.evaluation.every_epochs
    return not every or run.plan.total_steps in _read(run.folder / _FILE)


def _read(path: pathlib.Path) -> dict[int, float]:
    """The score of each step that was validated."""
    if not path.is_file():  # before the first of them
        return {}
    advice = "remove it and RUN/best, and the best network is looked for from here on"
    with file_io.reading(path, advice):
        scores = file_io.read_json(path, advice)["scores"]
        return {int(step): float(score) for step, score in scores.items()}


def _forget_after(step: int, folder: pathlib.Path) -> None:
    """Removes networks of later steps, which would count as newer than new ones."""
    if jax.process_index() == 0 and folder.is_dir():
        for path in folder.iterdir():
            if path.name.isdecimal() and int(path.name) > step:
                shutil.rmtree(path)
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices("forgotten")
