"""How long a run trains, and when it logs and saves."""

import dataclasses
from collections.abc import Mapping

from smad_jax.training import joint


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
        max_skipped: Updates that may be skipped before the run stops.
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
    max_skipped: int = 1
    profile: tuple[int, ...] = ()
