"""What the loop reports of its updates: means, hints, and which are not finite."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import jax

from smad_jax import errors
from smad_jax.training import joint, log, terminal, usage
from smad_jax.training.plan import Plan

DATA_SHARE_WORTH_A_HINT = 0.3
# Past this share of the run, an accuracy below this many times chance is worth a hint
# about the adversaries, the usual reason.
SHARE_BEFORE_A_HINT = 0.25
TIMES_CHANCE = 1.3
FEW_STEPS = 20  # of fewer neither hint can be sure


class Update(NamedTuple):
    """An update that the device may still be busy with."""

    step: int
    source: str
    metrics: Mapping[str, jax.Array]
    waited: float


class Reporter:
    """Reads the metrics of updates, and writes their means to log and journal.

    It begins with what `saved` returned at the checkpoint that a run resumes from.
    """

    def __init__(self, plan: Plan, journal: log.Journal, saved: log.Saved) -> None:
        self._plan, self._journal = plan, journal
        self._left = log.TimeLeft(plan.total_steps)
        self._window = log.Window(saved.get("window"))
        self._skipped: int = saved.get("skipped", 0)
        self._pending: Update | None = None
        self._has_hinted = False
        self._has_warned = False

    def add(self, update: Update) -> None:
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

    def saved(self) -> log.Saved:
        """Returns the count of skipped steps and the means so far, for a checkpoint."""
        return {"skipped": self._skipped, "window": self._window.saved()}

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Keeps what is done meanwhile out of the time of a step."""
        before = time.perf_counter()
        yield
        self._window.leave_out(time.perf_counter() - before)

    def write(self, step: int) -> None:
        """Writes the means since the last time, and once a hint about slow data."""
        if self._window.empty:  # every step was skipped
            return
        values = self._window.means() | usage.peak_memory()
        self._journal.write(step, values)
        plan = self._plan
        row = terminal.Row(
            plan.name,
            step,
            plan.total_steps,
            plan.steps_per_epoch,
            values,
            plan.chance,
            plan.action_chance,
            self._left.at(step),
        )
        log.report(row, plan.order.web)
        share = values["time/data"] / values["time/step"]
        # The first steps wait while the pipeline fills.
        enough = step >= max(plan.log_every, FEW_STEPS)
        if share > DATA_SHARE_WORTH_A_HINT and enough and not self._has_hinted:
            log.logger.info(
                f"  {share:.0%} of the time goes into waiting for data; more "
                "data.num_threads or data.num_workers would help, or records of JPEG "
                "files (data_prep.build_records --store jpeg)"
            )
            self._has_hinted = True
        self._warn_of_chance(step, values)
        self._window = log.Window()

    def _warn_of_chance(self, step: int, values: Mapping[str, float]) -> None:
        """Warns once if an adversary seems to keep the network from the action."""
        plan, accuracy = self._plan, values.get("accuracy/action", 1.0)
        late = step >= SHARE_BEFORE_A_HINT * plan.total_steps
        enough = step >= max(plan.log_every, FEW_STEPS)  # fewer are chance themselves
        at_chance = accuracy < TIMES_CHANCE * plan.action_chance
        if plan.chance and late and enough and at_chance and not self._has_warned:
            log.logger.warning(
                f"  the action is still at chance ({accuracy:.1%}) beside adversaries "
                f"of {', '.join(plan.chance)}; smaller weights in "
                "--config.method.settings or --config.method.ramp=dann usually help"
            )
            self._has_warned = True

    def _refuse(self, update: Update, stream: str, values: Mapping[str, float]) -> None:
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
            self._skipped += 1
            if self._skipped > self._plan.max_skipped:
                raise errors.NonFiniteLossError(
                    f"{self._skipped} updates of {self._plan.total_steps} steps were "
                    "not finite, more than training.non_finite_limit allows; a smaller "
                    "learning rate or adversarial weight helps"
                )
            return
        raise errors.NonFiniteLossError(
            f"{message}. A smaller adversarial weight, method.ramp='dann' or a "
            "smaller learning rate helps; training.on_non_finite='skip' continues "
            "without such steps"
        )
