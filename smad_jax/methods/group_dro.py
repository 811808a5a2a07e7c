"""GroupDRO: the loss of the groups that fare worst.

Sagawa et al., "Distributionally Robust Neural Networks for Group Shifts", ICLR 2020.
Groups are of class and rarity (`data/groups.py`): a scene that is rare with its action
counts as much as a frequent one, and more while its videos are not yet learned.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from smad_jax import errors, losses
from smad_jax.base.aspect_table import Aspect
from smad_jax.methods import base
from smad_jax.models.recognizer import Recognizer


@dataclasses.dataclass(frozen=True)
class Settings(base.Settings):
    """eta, where 0 leaves the shares equal, and the groups whose shares sum to 1.

    These are `all` groups, as published, or those of the `batch`.
    """

    step_size: base.NotNegative = 0.0
    over: Literal["all", "batch"] = "all"


class GroupDro(base.Method[Settings]):
    """sum_g q_g L_g: the mean loss L_g of each group of a batch, by its share q_g.

    Before each step every share is multiplied by exp(eta L_g), and all are scaled to
    sum to 1.

    Departures: with some hundred groups most are missing from a batch, and the sum over
    the others is a small part of a loss. `over="batch"` divides by their shares, so
    that the loss has the size of the baseline's. Videos without a group form one of
    their own. There is no adjustment for the size of groups, and the recipe keeps its
    weight decay, which the publication raises.

    Attributes:
        log_shares: [G + 1] log q, stored with the batch statistics; the last is that of
            the videos without a group.
    """

    settings_type = Settings
    uses_aspects = True
    uses_groups = True

    def __init__(self, given: base.Given, settings: Settings) -> None:
        super().__init__(given, settings)
        self.name = the_groups("group_dro", given.aspects)
        count = given.aspects[self.name].num_labels + 1
        # A batch statistic, so that checkpoints keep it and no gradient moves it. In
        # logs: the share of a well learned group becomes too small for a float, and a
        # share of 0 could never grow again.
        self.log_shares = nnx.BatchStat(jnp.full(count, -math.log(count)))

    def loss(
        self, model: Recognizer, batch: base.Batch, *, key: jax.Array, step: jax.Array
    ) -> base.LossAndMetrics:
        """Moves the groups' shares, then weighs their losses."""
        stream, settings = batch["train"], self.settings
        output = model(stream["video"], train=True, key=key)
        _, metrics = base.action_loss(output, stream)
        labels, mask = stream["aspects"][self.name], stream["aspect_mask"][self.name]
        group = jnp.where(mask, jnp.argmax(labels, axis=-1), labels.shape[-1])
        each = losses.cross_entropy(output.logits, stream["label"])
        before = self.log_shares[...]
        mean, present = group_means(each, group, len(before))
        # Shares are weights to the network, not something that its gradient may lower
        # by making a group's loss smaller.
        mean_loss = lax.stop_gradient(mean)
        moved = jax.nn.log_softmax(before + settings.step_size * mean_loss)
        self.log_shares[...] = moved
        over = moved if settings.over == "all" else jnp.where(present, moved, -jnp.inf)
        weights = jnp.where(present, jax.nn.softmax(over), 0)
        total = weights @ mean
        return total, metrics | {
            "loss": total,
            "loss/action": total,
            "group/worst_loss": mean.max(),
            "group/largest_share": jnp.exp(moved.max()),
        }


def the_groups(method: str, aspects: Mapping[str, Aspect]) -> str:
    """Returns the one aspect that holds a method's groups, or raises ConfigError."""
    kinds = {name: aspect.kind for name, aspect in aspects.items()}
    if list(kinds.values()) != ["soft"]:
        raise errors.ConfigError(
            f"method {method!r} needs groups and nothing else: an aspect named by "
            "data.groups, or a single one in method.aspects with soft labels; it has "
            f"{kinds or 'none'}"
        )
    return next(iter(kinds))


def group_means(
    values: jax.Array, group: jax.Array, count: int
) -> tuple[jax.Array, jax.Array]:
    """Returns the means [G] of values [B], and whether each group is present, [G] bool.

    `group` [B] int numbers the groups; the mean of an absent one is 0.
    """
    size = jax.ops.segment_sum(jnp.ones_like(values), group, count)
    return jax.ops.segment_sum(values, group, count) / jnp.maximum(size, 1), size > 0
