"""SDN's scene adversary, a row of Table 3: forget the scene of the whole clip.

The other half of SDN, confusion on clips with the people painted out, needs masks of
people, which no stream brings yet; this is what its authors train first.
"""

from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from smad_jax import errors, losses
from smad_jax.aspects import Aspect
from smad_jax.methods import base
from smad_jax.models import adversarial, recognizer


class Sdn(base.Method):
    """One adversary for the scene, with hidden layers, behind a weakened reversal.

    Unlike SMAD's heads it is not linear, and what weakens it weakens the backbone's
    side alone: the head learns at full strength.
    """

    uses_aspects = True

    def __init__(
        self,
        num_features: int,
        aspects: Mapping[str, Aspect],
        *,
        ramp: Callable[[jax.Array], jax.Array],
        rngs: nnx.Rngs,
        reversal: float = 1.0,
        hidden: Sequence[int] = (),
    ) -> None:
        """Builds the scene head.

        Args:
            num_features: D.
            aspects: The scene, with soft labels, and nothing else.
            ramp: Strength of the reversed gradient as a function of the step; the
                authors have none.
            rngs: For the head's initial parameters.
            reversal: Strength of the reversed gradient under the ramp.
            hidden: Widths of the head's hidden layers, each with batch norm.

        Raises:
            ConfigError: if the aspects are others, or the reversal is negative.
        """
        kinds = {name: aspect.kind for name, aspect in aspects.items()}
        if kinds != {"scene": "soft"}:
            raise errors.ConfigError(
                "method 'sdn' needs method.aspects=('scene',) with soft labels, but "
                f"they are {kinds or 'none'}"
            )
        if reversal < 0:
            raise errors.ConfigError(
                f"method.settings.reversal must be at least 0, but it is {reversal}"
            )
        self.scene_head = adversarial.AdversarialHead(
            num_features, aspects["scene"].num_labels, hidden=hidden, rngs=rngs
        )
        self.reversal = reversal
        self.ramp = ramp

    def loss(
        self,
        model: recognizer.Recognizer,
        batch: Mapping[str, base.Stream],
        *,
        key: jax.Array,
        step: jax.Array,
    ) -> tuple[jax.Array, base.Metrics]:
        """Adds the cross-entropy with the soft scene label to that of the action.

        Videos without a scene label are left out of its mean, though not of the batch
        statistics of the head.
        """
        stream = batch["train"]
        output = model(stream["video"], train=True, key=key)
        action, metrics = base.action_loss(output, stream)
        features = adversarial.reverse_gradient(
            output.features, self.reversal * self.ramp(step)
        )
        logits = self.scene_head(features, train=True)
        labels, mask = stream["aspects"]["scene"], stream["aspect_mask"]["scene"]
        scene = losses.masked_mean(losses.soft_cross_entropy(logits, labels), mask)
        hit = jnp.argmax(logits, axis=-1) == jnp.argmax(labels, axis=-1)
        total = action + scene
        return total, metrics | {
            "loss": total,
            "loss/scene": scene,
            "accuracy/scene": losses.masked_mean(hit.astype(jnp.float32), mask),
        }
