"""Web data for joint training (Sec. 5.2): a stream as configured, and its labels.

A web stream is a split like any other; `training/joint.py` decides when its batches are
taken.
"""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np

from smad_jax import errors
from smad_jax.base.aspect_table import APPEARANCE, Aspect
from smad_jax.base.sections import Range
from smad_jax.data import catalog, label_names
from smad_jax.data.sampling import Sampling

# Metrics of a stream begin with its name; these begin the names of other metrics.
_TAKEN_NAMES = ("train", "target", "loss", "accuracy", "time")


@dataclasses.dataclass(frozen=True)
class WebStream:
    """One stream of web data; the section `data.web.NAME`.

    Attributes:
        split: DATASET/SPLIT.
        batch_size: Videos or images of a batch, of all devices together.
        batches: Batches taken whenever it is the web's turn.
        class_power: See `order.balanced_probabilities`; 1 leaves classes as they are.
        num_frames: Frames of a clip; 0 for as many as a training clip has. An
            image fills them with copies of itself: 1 makes it the single segment
            that TSN gets (OmniSource), 0 the still clip that SlowOnly gets.
        aspect_labels: `given` where the data set has labels, or `none`: no adversarial
            loss on this stream.
    """

    split: str
    batch_size: Annotated[int, Range(least=1)]
    batches: Annotated[int, Range(least=1)] = 1
    class_power: Annotated[float, Range(least=0, most=1)] = 1.0
    num_frames: Annotated[int, Range(least=0)] = 0
    aspect_labels: Literal["given", "none"] = "given"

    def sampling(self, train: Sampling) -> Sampling:
        """Returns the training set's sampling with this stream's `num_frames`."""
        return dataclasses.replace(
            train, num_frames=self.num_frames or train.num_frames
        )


def check_name(stream: str) -> None:
    """Raises ConfigError if metrics could not be named after a stream so called."""
    if stream in _TAKEN_NAMES or "/" in stream:
        raise errors.ConfigError(
            f"a web stream cannot be called {stream!r}, which is the name of other "
            "metrics; choose another name"
        )


def differing_classes(split: catalog.Split, train: catalog.Split) -> str:
    """Returns how a web split's classes differ from the training split's, and a remedy.

    The text continues the sentence that they are numbered differently.
    """
    differ = [
        f"class {number} is {there!r} and {here!r}"
        for number, (there, here) in enumerate(
            zip(split.classes, train.classes, strict=False)
        )
        if there != here
    ]
    counts = f"they have {len(split.classes)} and {len(train.classes)} classes"
    return (
        f": {(differ or [counts])[0]}; write the split {split.dataset}/{split.name} "
        "with the training split's numbers and its class names in "
        f"splits/{split.name}.classes.txt"
    )


def match_aspects(
    split: catalog.Split, aspects: Mapping[str, Aspect], target: str
) -> catalog.Split:
    """Returns the web split with all of `aspects`, masked where it has no labels.

    Args:
        split: Opened with the labelled aspects among them.
        aspects: The aspects of the training split.
        target: Name of the training split, for errors.

    Raises:
        DataError: if labels of an aspect differ from the training set's in number or
            kind, or if their numbers stand for other words or clusters of appearance.
    """
    for name, own in split.aspects.items():
        theirs = aspects[name]
        if (own.num_labels, own.kind) != (theirs.num_labels, theirs.kind):
            raise errors.DataError(
                f"{split.dataset} has {own.num_labels} labels of {name!r}, "
                f"{own.kind}, but {target} has {theirs.num_labels}, {theirs.kind}; "
                "label both with the same network"
            )
        home = target.rpartition("/")[0]
        both = own.source, theirs.source
        marks = [source.partition(label_names.MARK)[2] for source in both]
        if all(marks) and marks[0] != marks[1]:
            raise errors.DataError(
                f"label numbers of {name!r} stand for other words in {split.dataset} "
                f"than in {target}; label both with pseudo_label --names FILE, a file "
                "of all words"
            )
        by_looks = any(source.startswith(APPEARANCE) for source in both)
        # Labels without digits are from before clusters could be shared.
        differ = own.source != theirs.source or APPEARANCE in both
        if by_looks and differ and split.dataset != home:
            raise errors.DataError(
                f"label numbers of {name!r} mean other scenes in {split.dataset} than "
                f"in {target}: their clusters of appearance differ; label it again "
                f"with python -m data_prep.pseudo_label --dataset {split.dataset} "
                f"--aspect {name} --labeller appearance --like {home}"
            )
    labels, mask = dict(split.aspect_labels), dict(split.aspect_mask)
    for name, aspect in aspects.items():
        if name not in split.aspects:
            none = np.zeros((1, aspect.num_labels), np.float16)
            # a view: a million rows of a thousand zeros would take two gigabytes
            labels[name] = np.broadcast_to(none, (len(split), aspect.num_labels))
            mask[name] = np.zeros(len(split), bool)
    return dataclasses.replace(
        split, aspects=aspects, aspect_labels=labels, aspect_mask=mask
    )
