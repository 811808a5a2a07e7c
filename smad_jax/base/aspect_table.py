"""The aspects of a video that an action model should not depend on (Sec. 5.1).

Scene and object carry soft labels, a distribution that a network trained on
still images gives each video. Event, attribute and context carry human tags
from HVU, where the paper's *context* is called *concept*.
"""

import dataclasses
import difflib
from typing import Literal

from smad_jax import errors

# How the origin of labels by appearance begins; behind it are the clusters' digits.
APPEARANCE = "clusters of appearance"


@dataclasses.dataclass(frozen=True)
class Aspect:
    """One non-action facet Z of the data, and the form of its labels.

    Attributes:
        name: As in configs, batches and metrics.
        kind: `soft` for a distribution over labels, `tags` for a multi-hot vector.
        num_labels: |Z|, the size of the label vector.
        source: Where the labels come from, in words.
    """

    name: str
    kind: Literal["soft", "tags"]
    num_labels: int
    source: str


ASPECTS = {
    aspect.name: aspect
    for aspect in (
        Aspect("scene", "soft", 365, "a network trained on Places365"),
        Aspect("object", "soft", 1000, "a network trained on ImageNet"),
        Aspect("event", "tags", 69, "HVU event tags"),
        Aspect("attribute", "tags", 117, "HVU attribute tags"),
        Aspect("context", "tags", 291, "HVU concept tags"),
    )
}


def get(name: str) -> Aspect:
    """Returns the aspect called `name`.

    Raises:
        ConfigError: if there is none of that name.
    """
    if name not in ASPECTS:
        near = difflib.get_close_matches(name, ASPECTS, 1)
        raise errors.ConfigError(
            f"unknown aspect {name!r}; "
            + (f"did you mean {near[0]!r}? " if near else "")
            + f"known: {', '.join(sorted(ASPECTS))}"
        )
    return ASPECTS[name]
