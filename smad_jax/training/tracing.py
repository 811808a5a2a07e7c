"""A trace of some training steps for TensorBoard: where device and host spend time."""

import contextlib
import pathlib
from collections.abc import Iterator

import jax

from smad_jax import errors
from smad_jax.training import log, loop, stepping, train_state


@contextlib.contextmanager
def traced(
    step: stepping.Step, plan: loop.Plan, folder: pathlib.Path, start: int
) -> Iterator[stepping.Step]:
    """Yields a training step that also records a trace of some of its calls.

    Args:
        step: From `stepping.make_train_step`.
        plan: Names the steps.
        folder: Where TensorBoard looks.
        start: Steps that the state has taken.

    Raises:
        ConfigError: if the steps are not two, in order and within the run.
    """
    # Of a pod one process writes, as for all other files of a run.
    if not plan.profile or jax.process_index() > 0:
        yield step
        return
    first, last = plan.profile if len(plan.profile) == 2 else (0, 0)
    if not 1 <= first <= last <= plan.total_steps:
        raise errors.ConfigError(
            "training.profile must be the first and the last step of a trace, from 1 "
            f"to {plan.total_steps}, but it is {plan.profile}"
        )
    trace = _Trace(step, first, last, folder, start)
    try:
        yield trace
    finally:
        trace.end()


class _Trace:
    """A step that counts its calls, and records those from `first` to `last`."""

    def __init__(
        self, step: stepping.Step, first: int, last: int, folder: pathlib.Path, at: int
    ) -> None:
        self._step, self._first, self._last = step, first, last
        self._folder, self._at = folder, at
        self._active = False
        self.lower = step.lower

    def __call__(
        self,
        state: train_state.TrainState,
        batch: stepping.Batch,
        key: jax.Array,
        advance: int = 1,
    ) -> tuple[train_state.TrainState, stepping.Metrics]:
        # Counted here: reading `state.step` would make the host wait for the device.
        number = self._at + 1
        # Not `==`: a run that resumes inside the range records the rest of it.
        if not self._active and self._first <= number <= self._last:
            jax.profiler.start_trace(str(self._folder))
            self._active = True
        with jax.profiler.StepTraceAnnotation("train", step_num=number):
            after = self._step(state, batch, key, advance)
        self._at += advance
        if self._active and self._at >= self._last:
            jax.block_until_ready(after)  # or its end would be missing
            self.end()
        return after

    def end(self) -> None:
        """Writes the trace, if it is being recorded."""
        if self._active:
            self._active = False
            jax.profiler.stop_trace()
            log.logger.info(f"trace of the steps up to {self._at}: {self._folder}")
