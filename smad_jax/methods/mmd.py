"""Maximum mean discrepancy (MMD, as in DAN), a row of Table 3.

Pulls the features of labelled videos and of the test set's unlabelled ones together
by a distance between sets, without an adversary.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import jax
from flax import nnx

from smad_jax import errors, losses
from smad_jax.aspect_table import Aspect
from smad_jax.methods import base, domains
from smad_jax.models import recognizer


class Mmd(domains.TwoDomains):
    """MMD of the pooled features before dropout, over the whole global batch.

    A sum of five Gaussians around the mean squared distance is the kernel (see
    `losses.mmd`); estimators for large sets, linear in their size, are noisier and not
    offered.
    """

    def __init__(
        self,
        num_features: int,
        aspects: Mapping[str, Aspect],
        *,
        ramp: Callable[[jax.Array], jax.Array],
        rngs: nnx.Rngs,
        weight: float = 1.0,
        kernel: Literal["rbf", "linear"] = "rbf",
        bandwidth: float = 0.0,
        passes: domains.Passes = "joint",
    ) -> None:
        """Takes the settings; there is nothing to learn here.

        Args:
            num_features: D.
            aspects: None of use.
            ramp: Not used: the weight is the same throughout.
            rngs: Not used.
            weight: Of the discrepancy.
            kernel: `rbf`, or `linear` for the distance of the means.
            bandwidth: A fixed one in squared units of the features; 0 for the mean
                squared distance of each batch.
            passes: See `domains.TwoDomains`.

        Raises:
            ConfigError: if a setting has no such value.
        """
        if kernel not in ("rbf", "linear"):
            raise errors.ConfigError(
                f"unknown method.settings.kernel {kernel!r}; known: rbf, linear"
            )
        if bandwidth < 0 or (bandwidth and kernel == "linear"):
            raise errors.ConfigError(
                "method.settings.bandwidth must be at least 0, and 0 with a linear "
                f"kernel, but it is {bandwidth}"
            )
        super().__init__(num_features, aspects, ramp=ramp, rngs=rngs, passes=passes)
        self.weight = weight
        self.kernel = kernel
        self.bandwidth = bandwidth

    def loss(
        self,
        model: recognizer.Recognizer,
        batch: Mapping[str, base.Stream],
        *,
        key: jax.Array,
        step: jax.Array,
    ) -> tuple[jax.Array, base.Metrics]:
        """Adds the weighted discrepancy to the loss of the action."""
        del step
        source, target = self.outputs(model, batch, key)
        action, metrics = base.action_loss(source, batch["train"])
        if self.kernel == "linear":
            discrepancy = losses.linear_mmd(source.features, target.features)
        else:
            discrepancy = losses.mmd(
                source.features, target.features, bandwidth=self.bandwidth or None
            )
        total = action + self.weight * discrepancy
        return total, metrics | {"loss": total, "loss/mmd": self.weight * discrepancy}
