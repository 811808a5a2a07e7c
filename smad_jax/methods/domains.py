"""What methods share that adapt to the unlabelled videos of a test set.

A batch holds `train`, the labelled source, and `target`, pixels of the test set and
nothing else. DANN and MMD differ in how they pull the features of the two together.
Comparing such methods with others is not quite fair: they have seen the videos that
they are tested on, though not their labels (Table 3, "access").
"""

import dataclasses
import math
from typing import Literal, TypeVar

import jax
import jax.numpy as jnp

from smad_jax.methods import base
from smad_jax.models.recognizer import Output, Recognizer


@dataclasses.dataclass(frozen=True)
class Settings(base.Settings):
    """How the videos of both domains pass the network.

    Attributes:
        weight: Of the loss between the domains.
        passes: `joint`, source and target share batch statistics, half and half in
            every ghost group if there are equally many; `separate`, each domain has
            its own.
    """

    weight: float = 1.0
    passes: Literal["joint", "separate"] = "joint"


S = TypeVar("S", bound=Settings)


class TwoDomains(base.Method[S]):
    """The network's outputs for both domains; a subclass defines the loss."""

    settings_type = Settings
    streams = ("train", base.UNLABELLED)
    sees_target_data = True

    def outputs(
        self, model: Recognizer, batch: base.Batch, key: jax.Array
    ) -> tuple[Output, Output]:
        """Returns the network's output for the source, and for the target."""
        source, target = (batch[name]["video"] for name in self.streams)
        if self.settings.passes == "separate":
            keys = jax.random.split(key)
            first = model(source, train=True, key=keys[0])
            return first, model(target, train=True, key=keys[1])
        # In one pass, so that both domains share the statistics of every ghost group.
        output = model(interleave(source, target), train=True, key=key)

        def of(domain: int) -> Output:
            return jax.tree.map(
                lambda rows: deinterleave(rows, len(source))[domain], output
            )

        return of(0), of(1)


def interleave(source: jax.Array, target: jax.Array) -> jax.Array:
    """Returns [S, ...] and [T, ...] as [S + T, ...], evenly mixed: s, t, s, t, ..."""
    groups = math.gcd(len(source), len(target))  # the most equal parts of both
    # Consecutive videos share batch statistics, so each ghost group gets its part of
    # either domain; and a batch that is split over devices stays where it is.
    parts = [rows.reshape(groups, -1, *rows.shape[1:]) for rows in (source, target)]
    return jnp.concatenate(parts, axis=1).reshape(-1, *source.shape[1:])


def deinterleave(rows: jax.Array, num_source: int) -> tuple[jax.Array, jax.Array]:
    """Returns the [S, ...] and [T, ...] that `interleave` made the rows of."""
    num_target = len(rows) - num_source
    groups = math.gcd(num_source, num_target)
    mixed = rows.reshape(groups, -1, *rows.shape[1:])
    border = num_source // groups
    return (
        mixed[:, :border].reshape(num_source, *rows.shape[1:]),
        mixed[:, border:].reshape(num_target, *rows.shape[1:]),
    )
