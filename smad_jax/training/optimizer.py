"""The optimisers: the reference's SGD, and AdamW for the embedded benchmark.

Both clip the raw gradient first. SGD then adds weight decay to the gradient
(coupled, for every parameter, batch norm and biases included) before momentum,
without dampening, as the reference does (App. C).
"""

import jax
import jax.numpy as jnp
import optax

from smad_jax import errors


def clip_by_global_norm(max_norm: float) -> optax.GradientTransformation:
    """Scales the gradient by min(1, max_norm / (norm + 1e-6)).

    Unlike optax's transformation of the same name this keeps the reference's
    1e-6, and so its numbers.
    """

    def update(updates, state, params=None):
        # The norm is that of the global batch: gradients arrive averaged over devices.
        factor = jnp.minimum(1.0, max_norm / (optax.tree.norm(updates) + 1e-6))
        return jax.tree.map(lambda leaf: leaf * factor, updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def build(
    name: str,
    *,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    clip_norm: float = 0.0,
) -> optax.GradientTransformation:
    """Returns the direction of descent, which the step multiplies by minus the rate.

    Args:
        name: `sgd` or `adamw`.
        weight_decay: Coupled for `sgd`, decoupled for `adamw`.
        momentum: For `sgd`.
        clip_norm: Largest global gradient norm; 0 leaves the gradient alone.

    Raises:
        ConfigError: for another name.
    """
    rules = {
        # Decay before momentum, so that momentum sees it: optax's own sgd has none.
        "sgd": lambda: [
            optax.add_decayed_weights(weight_decay),
            optax.trace(decay=momentum),
        ],
        "adamw": lambda: [
            optax.scale_by_adam(),
            optax.add_decayed_weights(weight_decay),
        ],
    }
    if name not in rules:
        raise errors.ConfigError(
            f"unknown optimizer {name!r}; known: {', '.join(rules)}"
        )
    # Clipped first, before weight decay joins the gradient, as in the reference.
    clip = [clip_by_global_norm(clip_norm)] if clip_norm else []
    return optax.chain(*clip, *rules[name]())
