"""The aspects of a video that an action model should not depend on (Sec. 5.1).

Scene and object carry soft labels, a distribution that a network trained on
still images gives each video. Event, attribute and context carry human tags
from HVU, where the paper's *context* is called *concept*. An aspect of any other name
is the user's own; what its labels are is stored beside them.
"""

import dataclasses
from typing import Literal

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
