"""The training loop, on one screen. Set-up is in `experiment/run.py`."""

import dataclasses
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import NamedTuple

import jax
from jax.experimental import multihost_utils

from smad_jax import errors
from smad_jax.training import joint, log, progress, stepping, train_state, usage

DATA_SHARE_WORTH_A_HINT = 0.3
# Past this share of the run, an accuracy below this many times chance is worth a hint
# about the adversaries, the usual reason.
SHARE_BEFORE_A_HINT = 0.25
TIMES_CHANCE = 1.3


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long to train, and when to log and save.

    Attributes:
        name: Of the run, for its log lines.
        total_steps: Steps of the whole run, each one batch of the training set.
        steps_per_epoch: Steps of an epoch, for schedules and logs.
        log_every: Steps between console lines.
        save_every: Steps between checkpoints.
        batch_size: Videos of a global batch of the training set, for the log's clips/s.
        chance: See `log.progress_line`.
        action_chance: Accuracy of always answering the most frequent action.
        order: Which batches a step takes, in joint training.
        on_non_finite: `stop` the run, or `skip` the step and count it.
        profile: The first and the last step of a trace (`tracing`), or empty.
    """

    name: str
    total_steps: int
    steps_per_epoch: int
    log_every: int
    save_every: int
    batch_size: int
    chance: Mapping[str, float]
    order: joint.Order = dataclasses.field(default_factory=joint.Order)
    action_chance: float = 0.0
    on_non_finite: str = "stop"
    profile: tuple[int, ...] = ()


class Interrupted(Exception):
    """Raised after a signal, when everything is saved. Holds the signal's number."""

    def __init__(self, number: int) -> None:
        name = signal.Signals(number).name
        super().__init__(
            f"stopped by {name}; everything is saved, run the same command to resume"
        )
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
        state: The state to start from.
        plan: Length and intervals.
        train_step: From `stepping.make_train_step`.
        batches: Global batches on devices by stream, `joint.TRAIN` and the web's; the
            training set's first one belongs to `state.step`.
        key: Root of all randomness in the steps.
        save: Stores a state; called at intervals, at the end, and on a signal.
        journal: Receives the means of every logged window.

    Raises:
        NonFiniteLossError: naming the step and the terms. Nothing is saved: the newest
            checkpoint is from before that step, so the same command meets the same
            step again instead of stepping over it.
        Interrupted: after SIGTERM or SIGINT, with the state saved.
    """
    start, reporter = int(state.step), _Reporter(plan, journal)
    # The updates of a step share its number, so each place in it has its own key.
    # Place 0 has `key` itself: the training set draws what it draws without a web.
    keys = [key, *(jax.random.fold_in(key, n) for n in range(1, plan.order.most))]
    with _Signals() as signals, progress.Bar(plan.name, plan.total_steps) as bar:
        for step in range(start + 1, plan.total_steps + 1):
            sources = plan.order.sources(step - 1)
            for place, source in enumerate(sources):
                waiting = time.perf_counter()
                batch = next(batches[source])
                waited = time.perf_counter() - waiting
                # The learning rate goes by `state.step`, which the last update moves.
                advance = int(place + 1 == len(sources))
                state, metrics = train_step(state, batch, keys[place], advance)
                reporter.add(_Update(step, source, metrics, waited))
            bar.update(step)
            stopped = signals.agreed(step)
            last = stopped or step == plan.total_steps
            log_now = last or step % plan.log_every == 0 or step == start + 1
            save_now = last or step % plan.save_every == 0
            # Before a save too: a step that is not finite must not reach a checkpoint.
            if log_now or save_now:
                reporter.catch_up()
            if log_now:
                reporter.write(step)
            # Save before the next batch is drawn: a run that resumes must not skip it.
            if save_now:
                save(state)
            if stopped:
                raise Interrupted(signals.received)
    return state


class _Reporter:
    """Reads the metrics of updates, and writes their means to log and journal."""

    def __init__(self, plan: Plan, journal: log.Journal) -> None:
        self._plan, self._journal = plan, journal
        self._window = log.Window()
        self._pending: _Update | None = None
        self._has_hinted = False
        self._has_warned = False

    def add(self, update: _Update) -> None:
        """Reads the update before this one."""
        # Reading waits for the device. One update behind, the device has this one to
        # work on meanwhile.
        self.catch_up()
        self._pending = update

    def catch_up(self) -> None:
        """Reads the last update; refuses one that was not finite."""
        update, self._pending = self._pending, None
        if update is None:
            return
        found = jax.device_get(update.metrics)
        values = {name: float(value) for name, value in found.items()}
        stream = "" if update.source == joint.TRAIN else update.source
        if values["non_finite"]:
            self._refuse(update, stream, values)
            return
        order, own = self._plan.order, self._plan.batch_size
        clips = order.web[stream].batch_size if stream else own
        self._window.add(values, update.waited, clips=clips, stream=stream)

    def write(self, step: int) -> None:
        """Writes the means since the last time, and once a hint about slow data."""
        if self._window.empty:  # every step was skipped
            return
        values = self._window.means() | usage.peak_memory()
        self._journal.write(step, values)
        log.logger.info(
            log.progress_line(
                self._plan.name,
                step,
                self._plan.total_steps,
                self._plan.steps_per_epoch,
                values,
                self._plan.chance,
                self._plan.order.web,
            )
        )
        share = values["time/data"] / values["time/step"]
        # Not after the first step, which waits while the pipeline fills.
        slow = share > DATA_SHARE_WORTH_A_HINT and step >= self._plan.log_every
        if slow and not self._has_hinted:
            log.logger.info(
                f"  {share:.0%} of the time goes into waiting for data; more "
                "data.num_threads or data.num_workers would help"
            )
            self._has_hinted = True
        self._warn_of_chance(step, values)
        self._window = log.Window()

    def _warn_of_chance(self, step: int, values: Mapping[str, float]) -> None:
        """Warns once if an adversary seems to keep the network from the action."""
        plan, accuracy = self._plan, values.get("accuracy/action", 1.0)
        late = step >= SHARE_BEFORE_A_HINT * plan.total_steps
        enough = step >= plan.log_every  # a window of one step is chance itself
        at_chance = accuracy < TIMES_CHANCE * plan.action_chance
        if plan.chance and late and enough and at_chance and not self._has_warned:
            log.logger.warning(
                f"  the action is still at chance ({accuracy:.1%}) beside adversaries "
                f"of {', '.join(plan.chance)}; smaller weights in "
                "--config.method.settings or --config.method.ramp=dann usually help"
            )
            self._has_warned = True

    def _refuse(
        self, update: _Update, stream: str, values: Mapping[str, float]
    ) -> None:
        terms = ", ".join(
            f"{name} = {value:.4g}"
            for name, value in values.items()
            if name.startswith("loss/") or name == "gradient_norm"
        )
        message = (
            f"step {update.step} {f'on {stream} ' if stream else ''}is not finite "
            f"({terms}); its update was not applied"
        )
        if self._plan.on_non_finite == "skip":
            log.logger.warning(message)
            return
        raise errors.NonFiniteLossError(
            f"{message}. A smaller adversarial weight, method.ramp='dann' or a "
            "smaller learning rate helps; training.on_non_finite='skip' continues "
            "without such steps"
        )


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
        # One host of a pod gets the signal first; JAX finds a step for all to stop at.
        reached = multihost_utils.reached_preemption_sync_point(step)
        self.received = signal.SIGTERM if reached else 0
        return reached

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.received = number
