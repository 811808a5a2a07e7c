"""Adapting to the unlabelled videos of a test set, and DANN, a row of Table 3.

A batch holds `train`, the labelled source, and `target`, pixels of the test set and
nothing else. DANN, MMD and SAVA differ in how they pull the features of the two
together. Comparing them with other methods is not quite fair: they have seen the videos
that they are tested on, though not their labels (Table 3, "access").
"""

import dataclasses
import math
from typing import Literal, TypeVar

import jax
import jax.numpy as jnp

from smad_jax import losses
from smad_jax.methods import base
from smad_jax.models import adversarial
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


@dataclasses.dataclass(frozen=True)
class DannSettings(Settings):
    """The widths of the discriminator's hidden layers, each with batch norm."""

    hidden: tuple[int, ...] = ()


S = TypeVar("S", bound=Settings)
D = TypeVar("D", bound=DannSettings)


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


class Dann(TwoDomains[D]):
    """A binary adversary on the pooled features before dropout.

    The backbone learns features that give a discriminator of the domains nothing to
    separate them by. The discriminator always learns at full strength;
    `method.ramp = "dann"` is Ganin's 2 / (1 + exp(-10 p)) - 1 on the backbone's side, p
    the share of training done. The features go in as they are, without the bottleneck
    that toolboxes put between.
    """

    settings_type = DannSettings

    def __init__(self, given: base.Given, settings: D) -> None:
        super().__init__(given, settings)
        self.discriminator = adversarial.AdversarialHead(
            given.num_features, 1, hidden=settings.hidden, rngs=given.rngs
        )

    def loss(
        self, model: Recognizer, batch: base.Batch, *, key: jax.Array, step: jax.Array
    ) -> base.LossAndMetrics:
        """Adds the domain's adversarial loss to that of the action."""
        source, target = self.outputs(model, batch, key)
        action = base.action_loss(source, batch["train"])
        # The ramp weakens the reversal and not the loss: the backbone learns nothing
        # from a discriminator that is bad.
        domain, accuracy = self.domain_loss(
            source.features, target.features, self.ramp(step)
        )
        return base.add(action, {"loss/domain": domain}, domain=accuracy)

    def domain_loss(
        self, source: jax.Array, target: jax.Array, strength: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Returns the weighted binary cross-entropy and the discriminator's accuracy.

        Of [S, D] labelled features, which are 1 to the discriminator, and [T, D]
        unlabelled ones, which are 0, with the `strength` of the reversed gradient.
        """
        features = jnp.concatenate([source, target])
        logits = self.discriminator(
            adversarial.reverse_gradient(features, strength), train=True
        )
        is_source = jnp.arange(len(features))[:, None] < len(source)  # [S + T, 1]
        values = losses.tag_cross_entropy(logits, is_source.astype(logits.dtype))
        right = ((logits > 0) == is_source)[:, 0].astype(jnp.float32)
        # Averaged over each domain and then over the two: otherwise the larger batch
        # would count more, and its constant answer would pass for accuracy.
        loss, accuracy = (
            (each[: len(source)].mean() + each[len(source) :].mean()) / 2
            for each in (values, right)
        )
        return self.settings.weight * loss, accuracy


def interleave(source: jax.Array, target: jax.Array) -> jax.Array:
    """Returns [S, ...] and [T, ...] as [S + T, ...], evenly mixed: s, t, s, t, ..."""
    groups = math.gcd(len(source), len(target))  # the most equal parts of both
    # Consecutive videos share batch statistics, so each ghost group gets its part of
    # either domain; and a batch that is split over devices stays where it is.
    parts = [rows.reshape(groups, -1, *rows.shape[1:]) for rows in (source, target)]
    return jnp.concatenate(parts, axis=1).reshape(-1, *source.shape[1:])


def deinterleave(rows: jax.Array, num_source: int) -> tuple[jax.Array, jax.Array]:
    """Returns the [S, ...] and [T, ...] that `interleave` made the rows of."""
    groups = math.gcd(num_source, len(rows) - num_source)
    mixed = rows.reshape(groups, -1, *rows.shape[1:])
    border, shape = num_source // groups, (-1, *rows.shape[1:])
    return mixed[:, :border].reshape(shape), mixed[:, border:].reshape(shape)
