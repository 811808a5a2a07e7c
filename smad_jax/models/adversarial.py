"""The adversary's side of multi-aspect training (Sec. 5.1, Eq. 1 and 2).

One step of gradient descent serves both equations when the features pass
`reverse_gradient` on their way to an `AdversarialHead`. Features, losses and weights
are the method's choice.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from smad_jax.models import layers


@jax.custom_vjp
def reverse_gradient(features: jax.Array, strength: float | jax.Array) -> jax.Array:
    """Returns `features`; backwards, multiplies their gradient by `-strength`.

    The head after it descends its loss (Eq. 1) while the backbone before it ascends the
    loss (Eq. 2). Both equations have the weight lambda, which therefore belongs on the
    loss; a strength other than one scales the backbone's part alone.

    `features` may have any shape, usually [B, D]. `strength` is at least zero, and may
    be traced, so that a schedule can ramp it.
    """
    del strength  # only the backward pass uses it
    return features


def _forward(
    features: jax.Array, strength: float | jax.Array
) -> tuple[jax.Array, float | jax.Array]:
    return features, strength


def _backward(
    strength: float | jax.Array, gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    # A strength is a setting, not a parameter to learn: its gradient is zero. The other
    # one keeps its dtype, which a float32 strength would widen.
    return (-strength * gradient).astype(gradient.dtype), jnp.zeros_like(strength)


reverse_gradient.defvjp(_forward, _backward)


class AdversarialHead(nnx.Module):
    """Predicts the labels of one aspect from features.

    Without hidden layers it is linear. SDN's has three hidden layers of 512, each
    linear, batch norm and ReLU.

    Attributes:
        hidden: One layer for each hidden width, `hidden/0/fc` and `hidden/0/bn`.
        fc: The linear layer that gives the logits.
    """

    def __init__(
        self,
        in_features: int,
        num_labels: int,
        *,
        hidden: Sequence[int] = (),
        ghost_size: int = 0,
        rngs: nnx.Rngs,
    ):
        # The paper does not describe its head; linear is the plainest.
        self.hidden = nnx.List([])
        for width in hidden:
            layer = HiddenLayer(in_features, width, ghost_size=ghost_size, rngs=rngs)
            self.hidden.append(layer)
            in_features = width
        self.fc = layers.Linear(in_features, num_labels, rngs=rngs)

    def __call__(self, features: jax.Array, *, train: bool) -> jax.Array:
        """Maps features [B, D] to logits [B, Z].

        In training hidden batch norm uses and remembers the batch's statistics.
        """
        for layer in self.hidden:
            features = layer(features, train=train)
        return self.fc(features)


class HiddenLayer(nnx.Module):
    """Linear, batch norm, ReLU."""

    def __init__(
        self, in_features: int, width: int, *, ghost_size: int, rngs: nnx.Rngs
    ):
        self.fc = layers.Linear(in_features, width, rngs=rngs)
        self.bn = layers.GhostBatchNorm(width, ghost_size=ghost_size)

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Maps [B, D] to [B, width], at least zero."""
        return jax.nn.relu(self.bn(self.fc(x), train=train))
