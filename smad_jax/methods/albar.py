"""ALBAR: a clip without motion shall not tell the action.

Fioresi, Dave and Shah, "ALBAR: Adversarial Learning approach to mitigate Biases in
Action Recognition", ICLR 2025. It needs no labels of scenes, no masks and no head: the
network is its own adversary, on clips that stand still.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from flax import nnx

from smad_jax import errors, losses
from smad_jax.aspect_table import Aspect
from smad_jax.methods import base
from smad_jax.models import recognizer

_TINY = 1e-12


class Albar(base.Method):
    """CE(f(x), y) - w_s CE(f(s), y) - w_e H(f(s)) + w_g |d sum_c f_c(s) / d s|.

    s is the middle frame of x in the place of all frames, f the logits, H the entropy.
    The cross-entropy of still clips has no upper bound: entropy and gradient penalty
    are what keeps it in check, so do not use it alone.

    Departures: the public code takes roots of squares summed over three of the four
    axes of a clip and averages them over the fourth; here each clip has one norm. Its
    network has no batch norm. Here still clips have batch statistics of their own and
    leave no trace in the running ones; through these a clip's norm also tells what it
    does to the logits of the others. Training starts from scratch like the baseline;
    the publication fine-tunes.
    """

    def __init__(
        self,
        num_features: int,
        aspects: Mapping[str, Aspect],
        *,
        ramp: Callable[[jax.Array], jax.Array],
        rngs: nnx.Rngs,
        still_weight: float = 0.0,
        entropy_weight: float = 0.0,
        gradient_weight: float = 0.0,
    ) -> None:
        """Takes the weights of the three terms of still clips.

        Args:
            num_features: D.
            aspects: None of use.
            ramp: Multiplies all three; the authors have none.
            rngs: Not used: there is no head.
            still_weight: w_s, of the negative cross-entropy.
            entropy_weight: w_e, of the entropy.
            gradient_weight: w_g, of the norm of the gradient by normalised pixels.

        Raises:
            ConfigError: if one is negative.
        """
        weights = (still_weight, entropy_weight, gradient_weight)
        if min(weights) < 0:
            raise errors.ConfigError(
                "method.settings.still_weight, entropy_weight and gradient_weight must "
                f"be at least 0, but they are {', '.join(map(str, weights))}"
            )
        self.still_weight = still_weight
        self.entropy_weight = entropy_weight
        self.gradient_weight = gradient_weight
        self.ramp = ramp

    def loss(
        self,
        model: recognizer.Recognizer,
        batch: Mapping[str, base.Stream],
        *,
        key: jax.Array,
        step: jax.Array,
    ) -> tuple[jax.Array, base.Metrics]:
        """Adds what still clips shall not do to the action's cross-entropy."""
        own_key, still_key = jax.random.split(key)
        stream = batch["train"]
        output = model(stream["video"], train=True, key=own_key)
        action, metrics = base.action_loss(output, stream)
        logits, norms = _without_motion(model, stream["video"], still_key)
        strength = self.ramp(step)
        still = losses.cross_entropy(logits, stream["label"]).mean()
        terms = {
            "loss/still": -self.still_weight * strength * still,
            "loss/entropy": -self.entropy_weight
            * strength
            * losses.entropy(logits).mean(),
            "loss/gradient": self.gradient_weight * strength * norms.mean(),
        }
        hit = jnp.argmax(logits, axis=-1) == stream["label"]
        total = action + sum(terms.values())
        return total, metrics | terms | {
            "loss": total,
            "accuracy/still": jnp.mean(hit, dtype=jnp.float32),
        }


def stand_still(video: jax.Array) -> jax.Array:
    """Returns [B, T, H, W, C] with the middle frame in the place of all."""
    time = video.shape[1]
    middle = video[:, time // 2, None]
    return jnp.broadcast_to(middle, video.shape)


def _without_motion(
    model: recognizer.Recognizer, video: jax.Array, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Logits [B, K] of still clips, and norms [B] of their sum's gradient by pixels."""
    pixels = stand_still(jnp.asarray(video))
    if not jnp.issubdtype(pixels.dtype, jnp.floating):
        std, mean = (
            jnp.array(v) for v in (recognizer.PIXEL_STD, recognizer.PIXEL_MEAN)
        )
        pixels = (pixels - mean) / std
    graph, arrays = nnx.split(model)

    def summed(pixels: jax.Array) -> tuple[jax.Array, jax.Array]:
        # a copy: what batch norm remembers of still clips is thrown away with it
        logits = nnx.merge(graph, arrays, copy=True)(pixels, train=True, key=key).logits
        return logits.sum(), logits

    gradient, logits = jax.grad(summed, has_aux=True)(pixels)
    squares = jnp.square(gradient).sum(axis=(1, 2, 3, 4))
    return logits, jnp.sqrt(squares + _TINY)
