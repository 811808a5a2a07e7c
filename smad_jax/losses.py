"""Losses of Sec. 5.1, one value a video and never reduced; the caller averages.

Only `mmd` and `linear_mmd` return a single value, for two sets of videos.

Logits become log-probabilities here, in float32 or wider. Zeros among the labels and
minus infinities among the logits give no NaN, in value or gradient, wherever the loss
itself is finite.
"""

import jax
import jax.numpy as jnp
from jax import lax

_SMALLEST_BANDWIDTH = 1e-12  # of equal features, whose mmd is then 0 and not NaN


def cross_entropy(logits: jax.Array, label: jax.Array) -> jax.Array:
    """Returns minus the log-probability of the true class.

    Args:
        logits: [B, K].
        label: [B] int, 0..K-1.

    Returns:
        [B], at least 0.

    Raises:
        ValueError: if `label` is not [B].
    """
    if label.shape != logits.shape[:-1]:
        raise ValueError(
            f"label must be {logits.shape[:-1]}, one class for each video, "
            f"but it is {label.shape}"
        )
    # Of the logits, not of probabilities: these round to 0 and lose the gradient.
    log_probabilities = _log_softmax(logits)
    return -jnp.take_along_axis(log_probabilities, label[..., None], axis=-1)[..., 0]


def soft_cross_entropy(logits: jax.Array, soft_label: jax.Array) -> jax.Array:
    """Returns the cross-entropy with a distribution over labels (SoftCE, Eq. 3).

    Its gradient is that of `kl_divergence`, which is smaller by the entropy of the
    label, a constant.

    Args:
        logits: [B, Z].
        soft_label: [B, Z], at least 0, each row summing to 1; z in the paper.

    Returns:
        [B], at least the entropy of the label.

    Raises:
        ValueError: if the shapes differ.
    """
    _check_same_shape("soft_label", soft_label, logits)
    return -_product(soft_label, _log_softmax(logits)).sum(axis=-1)


def kl_divergence(logits: jax.Array, soft_label: jax.Array) -> jax.Array:
    """Returns the divergence of the prediction from the soft label (KLDiv, Eq. 4).

    A sum over the Z labels, with 0 log 0 = 0. PyTorch's default reduction also divides
    by Z, which makes the loss Z times weaker.

    Args:
        logits: [B, Z].
        soft_label: [B, Z], at least 0, each row summing to 1; z in the paper.

    Returns:
        [B], at least 0; 0 where the prediction is the label.

    Raises:
        ValueError: if the shapes differ.
    """
    _check_same_shape("soft_label", soft_label, logits)
    wide = soft_label.astype(_wide(soft_label))
    # 1 for 0: `_product` would ignore log 0, but not the NaN in its gradient.
    log_label = jnp.log(jnp.where(wide > 0, wide, 1))
    return _product(wide, log_label - _log_softmax(logits)).sum(axis=-1)


def tag_cross_entropy(logits: jax.Array, tags: jax.Array) -> jax.Array:
    """Returns the binary cross-entropy of independent tags (BCE), averaged over them.

    Args:
        logits: [B, Z].
        tags: [B, Z], 1 where the tag applies and 0 where it does not.

    Returns:
        [B], at least 0; log 2 at logits of zero.

    Raises:
        ValueError: if the shapes differ.
    """
    _check_same_shape("tags", tags, logits)
    logits = logits.astype(_wide(logits))
    # Not log(1 - sigmoid(x)), which is minus infinity once the sigmoid rounds to 1.
    present = _product(tags, jax.nn.log_sigmoid(logits))
    absent = _product(1 - tags, jax.nn.log_sigmoid(-logits))
    return -(present + absent).mean(axis=-1)


def entropy(logits: jax.Array) -> jax.Array:
    """Returns the entropy of the predicted distribution, in nats.

    Args:
        logits: [B, K].

    Returns:
        [B], between 0 and log K.
    """
    log_probabilities = _log_softmax(logits)
    return -_product(jnp.exp(log_probabilities), log_probabilities).sum(axis=-1)


def mmd(
    source: jax.Array,
    target: jax.Array,
    *,
    num_kernels: int = 5,
    bandwidth: float | None = None,
) -> jax.Array:
    """Returns the squared maximum mean discrepancy of two sets of features (DAN).

    mean k(s, s') + mean k(t, t') - 2 mean k(s, t) over all pairs, including a feature
    with itself (the V-statistic), so that equal sets are at 0. k is a sum of
    `num_kernels` Gaussians exp(-|a - b|^2 / c). Each c is twice the one before; the
    middle one is the mean squared distance of two different features of the joined
    sets, without a gradient.

    Args:
        source: [S, D].
        target: [T, D].
        num_kernels: An odd number.
        bandwidth: A fixed middle c, in squared units of the features.

    Returns:
        A scalar, 0 to 2 `num_kernels`. Without a fixed bandwidth, scaling, shifting or
        rotating all features together does not change it.

    Raises:
        ValueError: if the features differ in size.
    """
    _check_same_size(source, target)
    joined = jnp.concatenate([source, target]).astype(_wide(source))
    # Differences, not the cheaper |a|^2 + |b|^2 - 2ab, which is not 0 on the diagonal.
    distance = jnp.square(joined[:, None] - joined).sum(axis=-1)  # [S + T, S + T]
    pairs = len(joined) * (len(joined) - 1)
    middle = lax.stop_gradient(distance.sum() / pairs)
    if bandwidth is not None:
        middle = jnp.full_like(middle, bandwidth)
    middle = jnp.maximum(middle, _SMALLEST_BANDWIDTH)
    kernel = sum(
        jnp.exp(-distance / (middle * 2.0 ** (i - num_kernels // 2)))
        for i in range(num_kernels)
    )
    # The sign gives the pairs between both sets their minus: one sum for three means.
    share = jnp.concatenate(
        [
            jnp.full(len(source), 1 / len(source), distance.dtype),
            jnp.full(len(target), -1 / len(target), distance.dtype),
        ]
    )
    return (share[:, None] * share * kernel).sum()


def linear_mmd(source: jax.Array, target: jax.Array) -> jax.Array:
    """Returns the squared distance of the means of two sets of features.

    Args:
        source: [S, D].
        target: [T, D].

    Returns:
        A scalar, at least 0: `mmd` with the kernel k(a, b) = a b.

    Raises:
        ValueError: if the features differ in size.
    """
    _check_same_size(source, target)
    wide = _wide(source)
    return jnp.square(source.mean(0, dtype=wide) - target.mean(0, dtype=wide)).sum()


def masked_mean(values: jax.Array, mask: jax.Array) -> jax.Array:
    """Averages the values where the mask is true; 0 if it is true nowhere.

    Args:
        values: [B]; hidden ones may be NaN.
        mask: [B] bool.

    Returns:
        A scalar.

    Raises:
        ValueError: if the shapes differ.
    """
    _check_same_shape("mask", mask, values)
    total = jnp.where(mask, values, 0).sum()  # not a product: 0 times NaN is NaN
    return total / jnp.maximum(mask.sum(), 1)


def _wide(x: jax.Array) -> jnp.dtype:
    return jnp.promote_types(x.dtype, jnp.float32)


def _log_softmax(logits: jax.Array) -> jax.Array:
    return jax.nn.log_softmax(logits.astype(_wide(logits)), axis=-1)


def _product(weight: jax.Array, log_value: jax.Array) -> jax.Array:
    """Multiplies, with 0 as the product of 0 and minus infinity, backwards too."""
    # Both factors: the gradient of one is the other, and 0 times infinity is NaN.
    used = weight > 0
    return jnp.where(used, weight, 0) * jnp.where(used, log_value, 0)


def _check_same_size(source: jax.Array, target: jax.Array) -> None:
    if source.ndim != 2 or target.ndim != 2 or source.shape[1] != target.shape[1]:
        raise ValueError(
            "source and target must be [S, D] and [T, D], features of the same size, "
            f"but they are {source.shape} and {target.shape}"
        )


def _check_same_shape(name: str, x: jax.Array, other: jax.Array) -> None:
    if x.shape != other.shape:
        raise ValueError(f"{name} must be {other.shape}, but it is {x.shape}")
