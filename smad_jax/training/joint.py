"""Joint training: which batches a step takes, and in what order (Sec. 5.2).

A step is one batch of the training set, which OmniSource calls the target, and the
batches of web streams that follow it; steps are what `TrainState.step`, schedules,
epochs and logs count. Each batch, the training set's too, is an update: gradient,
clipping, momentum, weight decay and batch statistics of its own, at the learning rate
of the step. This is the order of OmniSource, which the paper builds on: sources are
neither mixed in a batch nor summed in a loss. Without web streams a step is one update.
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

TRAIN = "train"


class Web(NamedTuple):
    """A web stream: batches that it gives at a turn, and videos of a global batch."""

    batches: int
    batch_size: int


@dataclasses.dataclass(frozen=True)
class Order:
    """The order of a run's batches, a function of the step alone.

    Attributes:
        web: The web streams by name, in the order of their turns; none by default.
        every: Steps 0, `every`, 2 `every`, ... take web batches.
    """

    web: Mapping[str, Web] = dataclasses.field(default_factory=dict)
    every: int = 1

    def sources(self, step: int) -> tuple[str, ...]:
        """Returns the stream of every batch of a step, counted from 0."""
        # A function of the step alone, so that a run resumes in the middle of a round.
        if step % self.every:
            return (TRAIN,)
        return (
            TRAIN,
            *(name for name, web in self.web.items() for _ in range(web.batches)),
        )

    @property
    def most(self) -> int:
        """Returns the batches of the longest step."""
        return 1 + sum(web.batches for web in self.web.values())

    def taken(self, steps: int) -> dict[str, int]:
        """Returns the batches that each web stream gave in the first `steps`."""
        # Rounded up: step 0 already takes web batches.
        turns = -(-steps // self.every)
        return {name: turns * web.batches for name, web in self.web.items()}
