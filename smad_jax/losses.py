"""Losses of Sec. 5.1, one value a video and never reduced; the caller averages.

Logits become log-probabilities here, in float32 or wider. Zeros among the labels and
minus infinities among the logits give no NaN, in value or gradient, wherever the loss
itself is finite.
"""

import jax
import jax.numpy as jnp


def cross_entropy(logits: jax.Array, label: jax.Array) -> jax.Array:
    """Returns minus the log-probability, [B], at least 0, of the true class.

    Args:
        logits: [B, K].
        label: [B] int, 0..K-1.

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
    """Returns the entropy [B] of the prediction by logits [B, K]: 0 to log K nats."""
    log_probabilities = _log_softmax(logits)
    return -_product(jnp.exp(log_probabilities), log_probabilities).sum(axis=-1)


def masked_mean(values: jax.Array, mask: jax.Array) -> jax.Array:
    """Averages values [B] where the mask [B] is true; 0 if it is true nowhere.

    Hidden values may be NaN. Raises ValueError if the shapes differ.
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


def _check_same_shape(name: str, x: jax.Array, other: jax.Array) -> None:
    if x.shape != other.shape:
        raise ValueError(f"{name} must be {other.shape}, but it is {x.shape}")
