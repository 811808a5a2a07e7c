"""Maximum mean discrepancy (MMD, as in DAN), a row of Table 3.

Pulls the features of labelled videos and of the test set's unlabelled ones together by
a distance between sets, without an adversary.
"""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax

from smad_jax import errors
from smad_jax.methods import base, domains
from smad_jax.models.recognizer import Recognizer

_SMALLEST_BANDWIDTH = 1e-12


@dataclasses.dataclass(frozen=True)
class Settings(domains.Settings):
    """The kernel, `linear` for the distance of the means, and a bandwidth.

    The bandwidth is in squared units of the features; 0 takes the mean squared distance
    of each batch.
    """

    kernel: Literal["rbf", "linear"] = "rbf"
    bandwidth: base.NotNegative = 0.0


class Mmd(domains.TwoDomains[Settings]):
    """MMD of the pooled features before dropout, over the whole global batch.

    The kernel is a sum of five Gaussians around the mean squared distance (see
    `discrepancy`). Estimators that are linear in the size of the sets are noisier and
    not offered. The ramp is not used: the weight is the same throughout.
    """

    settings_type = Settings

    def __init__(self, given: base.Given, settings: Settings) -> None:
        super().__init__(given, settings)
        if settings.bandwidth and settings.kernel == "linear":
            raise errors.ConfigError(
                "method.settings.bandwidth must be 0 with a linear kernel, but it is "
                f"{settings.bandwidth}"
            )

    def loss(
        self, model: Recognizer, batch: base.Batch, *, key: jax.Array, step: jax.Array
    ) -> base.LossAndMetrics:
        """Adds the weighted discrepancy to the loss of the action."""
        source, target = self.outputs(model, batch, key)
        action = base.action_loss(source, batch["train"])
        sets = source.features, target.features
        if self.settings.kernel == "linear":
            distance = linear_discrepancy(*sets)
        else:
            distance = discrepancy(*sets, bandwidth=self.settings.bandwidth or None)
        return base.add(action, {"loss/mmd": self.settings.weight * distance})


def discrepancy(
    source: jax.Array,
    target: jax.Array,
    *,
    num_kernels: int = 5,
    bandwidth: float | None = None,
) -> jax.Array:
    """Returns the squared maximum mean discrepancy of two sets of features (DAN).

    mean k(s, s') + mean k(t, t') - 2 mean k(s, t) over all pairs of [S, D] and [T, D],
    a feature with itself included (the V-statistic), so that equal sets are at 0. k is
    a sum of `num_kernels` Gaussians exp(-|a - b|^2 / c), each c twice the one before;
    an odd number puts one c right in the middle. That is `bandwidth`, in squared units
    of the features, or else the mean squared distance of two different features of the
    joined sets, a constant to the gradient. The result is 0 to 2 `num_kernels`; without
    a bandwidth it does not change when all features are scaled, shifted and rotated
    together.

    Raises:
        ValueError: if the features differ in size.
    """
    _check_same_size(source, target)
    joined = jnp.concatenate([source, target])
    # In float32 at least: in bfloat16 the differences of close features vanish.
    joined = joined.astype(jnp.promote_types(joined.dtype, jnp.float32))
    # Differences, not the cheaper |a|^2 + |b|^2 - 2ab: that is not 0 on the diagonal.
    distance = jnp.square(joined[:, None] - joined).sum(axis=-1)  # [S + T, S + T]
    pairs = len(joined) * (len(joined) - 1)
    middle = lax.stop_gradient(distance.sum() / pairs)
    if bandwidth is not None:
        middle = jnp.full_like(middle, bandwidth)
    middle = jnp.maximum(middle, _SMALLEST_BANDWIDTH)  # equal features: 0, not NaN
    kernel = sum(
        jnp.exp(-distance / (middle * 2.0 ** (i - num_kernels // 2)))
        for i in range(num_kernels)
    )
    # The three means of the formula in one sum: a pair weighs 1/S^2, 1/T^2 or -1/(S T).
    of_source = jnp.full(len(source), 1 / len(source), distance.dtype)
    of_target = jnp.full(len(target), -1 / len(target), distance.dtype)
    share = jnp.concatenate([of_source, of_target])
    return (share[:, None] * share * kernel).sum()


def linear_discrepancy(source: jax.Array, target: jax.Array) -> jax.Array:
    """Returns the squared distance, a scalar, of the means of [S, D] and [T, D].

    It is `discrepancy` with the kernel k(a, b) = a b, and raises the same ValueError.
    """
    _check_same_size(source, target)
    wide = jnp.promote_types(source.dtype, jnp.float32)
    return jnp.square(source.mean(0, dtype=wide) - target.mean(0, dtype=wide)).sum()


def _check_same_size(source: jax.Array, target: jax.Array) -> None:
    if source.ndim != 2 or target.ndim != 2 or source.shape[1] != target.shape[1]:
        raise ValueError(
            "source and target must be [S, D] and [T, D], features of the same size, "
            f"but they are {source.shape} and {target.shape}"
        )
