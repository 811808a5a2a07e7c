"""Joint training: whose batches an iteration takes, and in what order (Sec. 5.2).

An iteration is one batch of the target, the labelled training set; it is what
`TrainState.step`, schedules, epochs and logs count. After it may come batches of web
streams, each a whole optimiser step at the learning rate of the iteration and with
batch statistics of its own. This is the order of OmniSource, which the paper builds
on: sources are neither mixed in a batch nor summed in a loss.
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

TARGET = "train"


class Web(NamedTuple):
    """A web stream: batches taken at its turn, and videos of a global batch."""

    batches: int
    batch_size: int


@dataclasses.dataclass(frozen=True)
class Order:
    """The order of a run's batches, a function of the iteration alone.

    Attributes:
        web: The web streams by name, in the order of their turns; none by default.
        every: Iterations 0, `every`, 2 `every`, ... are followed by web batches.
    """

    web: Mapping[str, Web] = dataclasses.field(default_factory=dict)
    every: int = 1

    def sources(self, iteration: int) -> tuple[str, ...]:
        """Returns the stream of every batch of an iteration, counted from 0."""
        if iteration % self.every:
            return (TARGET,)
        return (
            TARGET,
            *(name for name, web in self.web.items() for _ in range(web.batches)),
        )

    @property
    def most(self) -> int:
        """Returns the batches of the longest iteration."""
        return 1 + sum(web.batches for web in self.web.values())

    def taken(self, iterations: int) -> dict[str, int]:
        """Returns the batches that each web stream gave in the first `iterations`."""
        turns = -(-iterations // self.every)
        return {name: turns * web.batches for name, web in self.web.items()}
