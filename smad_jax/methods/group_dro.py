"""GroupDRO: the loss of the groups that fare worst.

Sagawa et al., "Distributionally Robust Neural Networks for Group Shifts", ICLR 2020.
Groups are of class and rarity (`data/groups.py`): a scene that is rare with its action
counts as much as a frequent one, and more while its videos are not yet learned.
"""

import math
from collections.abc import Callable, Mapping
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from smad_jax import errors, losses
from smad_jax.aspect_table import Aspect
from smad_jax.methods import base
from smad_jax.models import recognizer


class GroupDro(base.Method):
    """sum_g q_g L_g: the mean loss L_g of each group of a batch, by its share q_g.

    Before, every share is multiplied by exp(eta L_g) and all are made to sum to 1.

    Departures: with some hundred groups most are missing from a batch, and the sum over
    the others is a small part of a loss; `over="batch"` divides by their shares, so
    that the loss is of the size of the baseline's. Videos without a group form one of
    their own. There is no adjustment for the size of groups, and the recipe keeps its
    weight decay, which the publication raises.

    Attributes:
        log_shares: [G + 1] log q, kept beside the batch statistics; the last is of the
            videos without a group. The share itself of a group that is learned well
            becomes too small for a float, and one of 0 never grows again.
    """

    uses_aspects = True
    uses_groups = True

    def __init__(
        self,
        num_features: int,
        aspects: Mapping[str, Aspect],
        *,
        ramp: Callable[[jax.Array], jax.Array],
        rngs: nnx.Rngs,
        step_size: float = 0.0,
        over: Literal["all", "batch"] = "all",
    ) -> None:
        """Starts with equal shares.

        Args:
            num_features: D.
            aspects: The groups, as an aspect with soft labels, and nothing else.
            ramp: Not used: no gradient is reversed.
            rngs: Not used.
            step_size: eta; 0 leaves the shares equal.
            over: What shares sum to 1 over: `all` groups, as published, or those of
                the `batch`.

        Raises:
            ConfigError: if there are no groups or a setting has no such value.
        """
        if over not in ("all", "batch"):
            raise errors.ConfigError(
                f"unknown method.settings.over {over!r}; known: all, batch"
            )
        if step_size < 0:
            raise errors.ConfigError(
                f"method.settings.step_size must be at least 0, but it is {step_size}"
            )
        self.name = the_groups("group_dro", aspects)
        count = aspects[self.name].num_labels + 1
        self.log_shares = nnx.BatchStat(jnp.full(count, -math.log(count)))
        self.step_size = step_size
        self.over = over

    def loss(
        self,
        model: recognizer.Recognizer,
        batch: Mapping[str, base.Stream],
        *,
        key: jax.Array,
        step: jax.Array,
    ) -> tuple[jax.Array, base.Metrics]:
        """Weighs the groups' losses, having moved their shares."""
        del step
        stream = batch["train"]
        output = model(stream["video"], train=True, key=key)
        _, metrics = base.action_loss(output, stream)
        labels, mask = stream["aspects"][self.name], stream["aspect_mask"][self.name]
        group = jnp.where(mask, jnp.argmax(labels, axis=-1), labels.shape[-1])
        each = losses.cross_entropy(output.logits, stream["label"])
        before = self.log_shares[...]
        mean, present = group_means(each, group, len(before))
        moved = jax.nn.log_softmax(before + self.step_size * lax.stop_gradient(mean))
        self.log_shares[...] = moved
        over = moved if self.over == "all" else jnp.where(present, moved, -jnp.inf)
        weights = jnp.where(present, jax.nn.softmax(over), 0)
        total = weights @ mean
        return total, metrics | {
            "loss": total,
            "loss/action": total,
            "group/worst_loss": mean.max(),
            "group/largest_share": jnp.exp(moved.max()),
        }


def the_groups(method: str, aspects: Mapping[str, Aspect]) -> str:
    """Returns the name of the one aspect that holds a method's groups.

    Raises:
        ConfigError: if there is none, or several.
    """
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
    """Averages over each of `count` groups.

    Args:
        values: [B].
        group: [B] int, 0..count - 1.
        count: G.

    Returns:
        [G] means, 0 for a group that is not there, and [G] bool, whether it is.
    """
    size = jax.ops.segment_sum(jnp.ones_like(values), group, count)
    return jax.ops.segment_sum(values, group, count) / jnp.maximum(size, 1), size > 0
