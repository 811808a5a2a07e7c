"""The training loop, on one screen. Set-up is in `experiment/run.py`."""

import time
from collections.abc import Callable, Iterator, Mapping

import jax

from smad_jax.training import log, progress, stepping, train_state
from smad_jax.training.interruption import Interrupted, Signals
from smad_jax.training.plan import Plan
from smad_jax.training.reporter import Reporter, Update

__all__ = ["Interrupted", "Plan", "run"]

_FIRST = "the training step"  # what is compiled before the first update


def run(
    state: train_state.TrainState,
    plan: Plan,
    *,
    train_step: stepping.Step,
    batches: Mapping[str, Iterator[stepping.Batch]],
    key: jax.Array,
    save: Callable[[train_state.TrainState, log.Saved], None],
    journal: log.Journal,
    check: Callable[[], None] = lambda: None,
    saved: log.Saved | None = None,
) -> train_state.TrainState:
    """Trains from `state.step` to `plan.total_steps` and returns the last state.

    Args:
        state: The state to start from.
        plan: Length and intervals.
        train_step: From `stepping.make_train_step`.
        batches: Global batches on devices by stream, `joint.TRAIN` and the web's; the
            training set's first one belongs to `state.step`.
        key: Root of all randomness in the steps.
        save: Stores a state, and what `saved` is to be when the run resumes from it;
            called at intervals, at the end, and on a signal.
        journal: Receives the means of every logged window.
        check: Raises the error of a save in the background; called after every step.
        saved: Stored beside `state`; None at the start.

    Raises:
        NonFiniteLossError: naming the step and the terms. Nothing is saved: the newest
            checkpoint is from before that step, so the same command meets the same
            step again instead of stepping over it.
        Interrupted: after SIGTERM or SIGINT, with the state saved.
    """
    start, reporter = int(state.step), Reporter(plan, journal, saved or {})
    # The updates of a step share its number, so each place in it has its own key.
    # Place 0 has `key` itself: the training set draws what it draws without a web.
    keys = [key, *(jax.random.fold_in(key, n) for n in range(1, plan.order.most))]
    bar = progress.Bar(plan.name, plan.total_steps, _FIRST)
    with Signals() as signals, bar:
        for step in range(start + 1, plan.total_steps + 1):
            sources = plan.order.sources(step - 1)
            for place, source in enumerate(sources):
                waiting = time.perf_counter()
                batch = next(batches[source])
                waited = time.perf_counter() - waiting
                # The learning rate goes by `state.step`, which the last update moves.
                advance = int(place + 1 == len(sources))
                state, metrics = train_step(state, batch, keys[place], advance)
                reporter.add(Update(step, source, metrics, waited))
            bar.update(step)
            # A save that failed leaves less to resume from with every further step.
            check()
            stopped = signals.agreed(step)
            # By the step alone, not by where a run stopped or resumed: its lines are
            # then those of a run in one piece.
            at_end = step == plan.total_steps
            log_now = at_end or step % plan.log_every == 0 or step == 1
            save_now = at_end or stopped or step % plan.save_every == 0
            # Before a save too: a step that is not finite must not reach a checkpoint.
            if log_now or save_now:
                reporter.catch_up()
            if log_now:
                reporter.write(step)
            # Save before the next batch is drawn: a run that resumes must not skip it.
            if save_now:
                with reporter.paused():
                    save(state, reporter.saved())
            if stopped:
                raise Interrupted(signals.received)
    return state
