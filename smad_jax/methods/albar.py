"""ALBAR: a clip without motion must not reveal the action.

Fioresi, Dave and Shah, "ALBAR: Adversarial Learning approach to mitigate Biases in
Action Recognition", ICLR 2025. It needs no scene labels, masks or head: the network is
its own adversary, on clips that stand still.
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx

from smad_jax import losses
from smad_jax.methods import base
from smad_jax.models import recognizer
from smad_jax.models.recognizer import Recognizer

_TINY = 1e-12


@dataclasses.dataclass(frozen=True)
class Settings(base.Settings):
    """w_s, w_e and w_g of the terms of still clips; the ramp multiplies all three."""

    still_weight: base.NotNegative = 0.0
    entropy_weight: base.NotNegative = 0.0
    gradient_weight: base.NotNegative = 0.0


class Albar(base.Method[Settings]):
    """CE(f(x), y) - w_s CE(f(s), y) - w_e H(f(s)) + w_g |d sum_c f_c(s) / d s|.

    s is the normalised middle frame of x in place of all frames, f the logits, H the
    entropy. The cross-entropy of still clips has no upper bound; entropy and gradient
    penalty keep it in check, so do not use it alone.

    Departures: the public code takes roots of squares summed over three of the four
    axes of a clip and averages them over the fourth; here each clip has one norm. Its
    network has no batch norm. Here still clips have batch statistics of their own and
    leave the running ones alone; through the batch statistics a clip's norm includes
    its effect on the logits of the others. The authors have no ramp. Training starts
    from scratch like the baseline; the publication fine-tunes.
    """

    settings_type = Settings

    def loss(
        self, model: Recognizer, batch: base.Batch, *, key: jax.Array, step: jax.Array
    ) -> base.LossAndMetrics:
        """Adds the three terms of still clips to the action's cross-entropy."""
        own_key, still_key = jax.random.split(key)
        stream, weights = batch["train"], self.settings
        output = model(stream["video"], train=True, key=own_key)
        action = base.action_loss(output, stream)
        logits, norms = _without_motion(model, stream["video"], still_key)
        strength = self.ramp(step)
        still = losses.cross_entropy(logits, stream["label"]).mean()
        entropy = losses.entropy(logits).mean()
        terms = {
            "loss/still": -weights.still_weight * strength * still,
            "loss/entropy": -weights.entropy_weight * strength * entropy,
            "loss/gradient": weights.gradient_weight * strength * norms.mean(),
        }
        return base.add(action, terms, still=base.accuracy(logits, stream["label"]))


def stand_still(video: jax.Array) -> jax.Array:
    """Returns [B, T, H, W, C] with the middle frame in place of all frames."""
    middle = video.shape[1] // 2
    return jnp.broadcast_to(video[:, middle, None], video.shape)


def _without_motion(
    model: Recognizer, video: jax.Array, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Returns logits [B, K] of still clips, and norms [B] of their pixel gradients."""
    pixels = stand_still(jnp.asarray(video))
    # Normalised here, not in the network: uint8 has no gradient.
    if not jnp.issubdtype(pixels.dtype, jnp.floating):
        pixels = recognizer.normalise(pixels)
    graph, arrays = nnx.split(model)

    def summed(pixels: jax.Array) -> tuple[jax.Array, jax.Array]:
        # In a copy, which takes its batch norms' memory of still clips with it: the
        # test sees moving clips.
        logits = nnx.merge(graph, arrays, copy=True)(pixels, train=True, key=key).logits
        return logits.sum(), logits

    gradient, logits = jax.grad(summed, has_aux=True)(pixels)
    squares = jnp.square(gradient).sum(axis=(1, 2, 3, 4))
    # The root of 0 has no derivative, and the penalty is differentiated once more.
    return logits, jnp.sqrt(squares + _TINY)
