"""The training loop, on one screen. Set-up is in `experiment.py`."""

import dataclasses
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import NamedTuple

import jax
from jax.experimental import multihost_utils

from smad_jax import errors
from smad_jax.training import joint, log, progress, stepping, train_state

DATA_SHARE_WORTH_A_HINT = 0.3


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long to train, and what to do on the way.

    Attributes:
        name: Of the run, for its log lines.
        total_steps: Steps of the whole run, each one batch of the training set.
        steps_per_epoch: Steps that the epoch count and the schedules go by.
        log_every: Steps between console lines.
        save_every: Steps between checkpoints.
        batch_size: Videos of a global batch of the training set, for the log's clips/s.
        chance: See `log.progress_line`.
        order: Which batches a step takes, in joint training.
        on_non_finite: `stop` the run, or `skip` the step and count it.
    """

    name: str
    total_steps: int
    steps_per_epoch: int
    log_every: int
    save_every: int
    batch_size: int
    chance: Mapping[str, float]
    order: joint.Order = dataclasses.field(default_factory=joint.Order)
    on_non_finite: str = "stop"


class Interrupted(Exception):
    """A signal asked for an end; everything was saved. Holds the signal's number."""

    def __init__(self, number: int) -> None:
        name = signal.Signals(number).name
        super().__init__(f"stopped by {name}; all is saved, run the same command again")
        self.number = number


class _Update(NamedTuple):
    """An update that the device may still be busy with."""

    step: int
    source: str
    metrics: Mapping[str, jax.Array]
    waited: float


def run(
    state: train_state.TrainState,
    plan: Plan,
    *,
    train_step: stepping.Step,
    batches: Mapping[str, Iterator[stepping.Batch]],
    key: jax.Array,
    save: Callable[[train_state.TrainState], None],
    journal: log.Journal,
) -> train_state.TrainState:
    """Trains from `state.step` to `plan.total_steps` and returns the last state.

    Args:
        state: Where to start.
        plan: Length and intervals.
        train_step: From `step.make_train_step`.
        batches: Global batches on devices by stream, `joint.TRAIN` and the web's; the
            first of the training set's belongs to `state.step`.
        key: Root of all randomness in the steps.
        save: Keeps a state; called at intervals, at the end, and on a signal.
        journal: Receives the means of every logged window.

    Raises:
        NonFiniteLossError: naming the step and the terms. Nothing is saved then:
            the newest checkpoint is from before that step, so that the same command
            meets the same step again instead of stepping over it.
        Interrupted: after SIGTERM or SIGINT, with the state saved.
    """
    start, window, pending, hint = int(state.step), log.Window(), None, True
    # the updates of a step share its number, so each place in it has its own key
    keys = [key, *(jax.random.fold_in(key, n) for n in range(1, plan.order.most))]
    with _Signals() as signals, progress.Bar(plan.name, plan.total_steps) as bar:
        for step in range(start + 1, plan.total_steps + 1):
            sources = plan.order.sources(step - 1)
            for place, source in enumerate(sources):
                waiting = time.perf_counter()
                batch = next(batches[source])
                waited = time.perf_counter() - waiting
                # the learning rate goes by `state.step`, which the last one moves
                advance = int(place + 1 == len(sources))
                state, metrics = train_step(state, batch, keys[place], advance)
                # reading the update before this one keeps the device one ahead
                if pending:
                    _count(window, pending, plan)
                pending = _Update(step, source, metrics, waited)
            bar.update(step)
            stopped = signals.agreed(step)
            last = stopped or step == plan.total_steps
            log_now = last or step % plan.log_every == 0 or step == start + 1
            save_now = last or step % plan.save_every == 0
            if pending and (log_now or save_now):
                _count(window, pending, plan)
                pending = None
            if log_now and not window.empty:  # empty if every step was skipped
                hint = _report(step, window, plan, journal, hint)
                window = log.Window()
            if save_now:
                save(state)
            if stopped:
                raise Interrupted(signals.received)
    return state


def _count(window: log.Window, update: _Update, plan: Plan) -> None:
    """Adds a finished update to the window; refuses one that was not finite."""
    found = jax.device_get(update.metrics)
    values = {name: float(value) for name, value in found.items()}
    stream = "" if update.source == joint.TRAIN else update.source
    if values["non_finite"]:
        terms = ", ".join(
            f"{name} = {value:.4g}"
            for name, value in values.items()
            if name.startswith("loss/") or name == "gradient_norm"
        )
        message = (
            f"step {update.step} {f'on {stream} ' if stream else ''}is not finite "
            f"({terms}); its update was not applied"
        )
        if plan.on_non_finite == "skip":
            log.logger.warning(message)
            return
        raise errors.NonFiniteLossError(
            f"{message}. A smaller adversarial weight, method.ramp='dann' or a "
            "smaller learning rate helps; training.on_non_finite='skip' goes on "
            "without such steps"
        )
    clips = plan.order.web[stream].batch_size if stream else plan.batch_size
    window.add(values, update.waited, clips=clips, stream=stream)


def _report(
    step: int, window: log.Window, plan: Plan, journal: log.Journal, hint: bool
) -> bool:
    """Writes one window to the console and the journal.

    Returns whether a hint about slow data is still to be given, which `hint` says
    of before.
    """
    values = window.means()
    journal.write(step, values)
    log.logger.info(
        log.progress_line(
            plan.name,
            step,
            plan.total_steps,
            plan.steps_per_epoch,
            values,
            plan.chance,
            plan.order.web,
        )
    )
    share = values["time/data"] / values["time/step"]
    slow = share > DATA_SHARE_WORTH_A_HINT and step >= plan.log_every
    if slow and hint:
        log.logger.info(
            f"  {share:.0%} of the time goes into waiting for data; more "
            "data.num_threads or data.num_workers would help"
        )
    return hint and not slow


class _Signals:
    """Notes SIGTERM and SIGINT, so that the run can end between two steps."""

    def __init__(self) -> None:
        self.received = 0

    def __enter__(self) -> "_Signals":
        # On a pod SIGTERM is JAX's own: a handler here would take it away.
        alone = jax.process_count() == 1
        self._before = {
            number: signal.signal(number, self._note)
            for number in ((signal.SIGTERM, signal.SIGINT) if alone else ())
        }
        return self

    def __exit__(self, *unused: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def agreed(self, step: int) -> bool:
        """Returns whether all processes stop after `step`."""
        if jax.process_count() == 1:
            return bool(self.received)
        # one host of a pod hears first; JAX finds a step that all can stop at
        reached = multihost_utils.reached_preemption_sync_point(step)
        self.received = signal.SIGTERM if reached else 0
        return reached

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.received = number
