"""Web data for joint training (Sec. 5.2): a stream as configured, and its labels.

A web stream is a split like any other; `training/joint.py` decides when its batches are
taken.
"""

import dataclasses
from collections.abc import Mapping
from typing import Self

import numpy as np

from smad_jax import errors
from smad_jax.aspect_table import Aspect
from smad_jax.data import catalog, sections

# Metrics of a stream begin with its name, so these would be mistaken for others.
_TAKEN_NAMES = ("train", "target", "loss", "accuracy", "time")


@dataclasses.dataclass(frozen=True)
class WebStream:
    """One stream of web data.

    Attributes:
        name: As in configs and metrics.
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

    name: str
    split: str
    batch_size: int
    batches: int = 1
    class_power: float = 1.0
    num_frames: int = 0
    aspect_labels: str = "given"

    @classmethod
    def from_config(cls, stream: str, config: sections.Section) -> Self:
        """Reads the section `data.web.<stream>`, whose keys are the attributes.

        Raises:
            ConfigError: naming the key and what it may be.
        """
        name = f"data.web.{stream}"
        if stream in _TAKEN_NAMES or "/" in stream:
            raise errors.ConfigError(
                f"a web stream cannot be called {stream!r}, which metrics mean "
                "something else by; choose another name"
            )
        known = tuple(key for key in cls.__dataclass_fields__ if key != "name")
        sections.check_keys(name, config, known)
        split = config.get("split")
        if not isinstance(split, str) or "/" not in split:
            raise errors.ConfigError(
                f"{name}.split must be DATASET/SPLIT, but it is {split!r}"
            )
        return cls(
            name=stream,
            split=split,
            batch_size=sections.integer(name, config, "batch_size", least=1),
            batches=sections.integer(name, config, "batches", least=1, default=1),
            class_power=sections.number(
                name, config, "class_power", least=0, most=1, default=1.0
            ),
            num_frames=sections.integer(name, config, "num_frames", least=0, default=0),
            aspect_labels=sections.choice(
                name,
                {"aspect_labels": "given", **config},
                "aspect_labels",
                ("given", "none"),
            ),
        )

    def sampling(self, target: sections.Section) -> sections.Section:
        """Returns the sampling of the training set with this one's `num_frames`."""
        own = {"num_frames": self.num_frames} if self.num_frames else {}
        return {**target, **own}


def read_streams(config: Mapping[str, sections.Section]) -> dict[str, WebStream]:
    """Returns the streams of the section `data.web` by name, in alphabetical order.

    That is the order of their turns; sections of a config have none of their own.

    Raises:
        ConfigError: if one is wrong.
    """
    return {name: WebStream.from_config(name, config[name]) for name in sorted(config)}


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
            kind.
    """
    for name, own in split.aspects.items():
        theirs = aspects[name]
        if (own.num_labels, own.kind) != (theirs.num_labels, theirs.kind):
            raise errors.DataError(
                f"{split.dataset} has {own.num_labels} labels of {name!r}, "
                f"{own.kind}, but {target} has {theirs.num_labels}, {theirs.kind}; "
                "label both with the same network"
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
