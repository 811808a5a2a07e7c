"""SDN, a row of Table 3: forget the scene, and do not guess without the people.

The paper's form of Choi et al.: an adversary for the scene of whole clips, and entropy
maximised on clips with the people painted out. Their released code sends the latter
through a head of its own behind a reversal, which never sees an action.
"""

from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from smad_jax import errors, losses
from smad_jax.aspect_table import Aspect
from smad_jax.methods import base
from smad_jax.models import adversarial, recognizer


class Sdn(base.Method):
    """A scene adversary with hidden layers, and confusion where there are masked clips.

    Unlike SMAD's heads the adversary is not linear, and what weakens it weakens the
    backbone's side alone: the head learns at full strength. Confusion is for backbone
    and action head alike. A batch holds whole clips, masked ones, or both: the
    authors take turns, each an update (`data.masked.turns`). Masked clips have batch
    statistics of their own, and running statistics remember them too.
    """

    uses_aspects = True
    uses_masked = True

    def __init__(
        self,
        num_features: int,
        aspects: Mapping[str, Aspect],
        *,
        ramp: Callable[[jax.Array], jax.Array],
        rngs: nnx.Rngs,
        reversal: float = 1.0,
        hidden: Sequence[int] = (),
        confusion_weight: float = 0.0,
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
            confusion_weight: Of minus the entropy on masked clips.

        Raises:
            ConfigError: if the aspects are others, or a strength is negative.
        """
        kinds = {name: aspect.kind for name, aspect in aspects.items()}
        if kinds != {"scene": "soft"}:
            raise errors.ConfigError(
                "method 'sdn' needs method.aspects=('scene',) with soft labels, but "
                f"they are {kinds or 'none'}"
            )
        given = {"reversal": reversal, "confusion_weight": confusion_weight}
        for name, value in given.items():
            if value < 0:
                raise errors.ConfigError(
                    f"method.settings.{name} must be at least 0, but it is {value}"
                )
        self.scene_head = adversarial.AdversarialHead(
            num_features, aspects["scene"].num_labels, hidden=hidden, rngs=rngs
        )
        self.reversal = reversal
        self.confusion_weight = confusion_weight
        self.ramp = ramp

    def loss(
        self,
        model: recognizer.Recognizer,
        batch: Mapping[str, base.Stream],
        *,
        key: jax.Array,
        step: jax.Array,
    ) -> tuple[jax.Array, base.Metrics]:
        """Adds up what there is to say of whole clips and of masked ones.

        Videos without a scene label are left out of the scene's mean, though not of the
        batch statistics of the head.
        """
        keys = jax.random.split(key)
        if base.MASKED not in batch:
            return self._scene_loss(model, batch["train"], keys[0], step)
        confusion, told = self._confusion(model, batch[base.MASKED], keys[1])
        if "train" not in batch:
            return confusion, told
        whole, metrics = self._scene_loss(model, batch["train"], keys[0], step)
        return whole + confusion, metrics | {
            "loss": whole + confusion,
            "loss/confusion": confusion,
            "accuracy/masked": told["accuracy/action"],
        }

    def _scene_loss(
        self,
        model: recognizer.Recognizer,
        stream: base.Stream,
        key: jax.Array,
        step: jax.Array,
    ) -> tuple[jax.Array, base.Metrics]:
        """The action's cross-entropy and the adversary's, on whole clips."""
        output = model(stream["video"], train=True, key=key)
        action, metrics = base.action_loss(output, stream)
        features = adversarial.reverse_gradient(
            output.features, self.reversal * self.ramp(step)
        )
        logits = self.scene_head(features, train=True)
        labels, mask = stream["aspects"]["scene"], stream["aspect_mask"]["scene"]
        scene = losses.masked_mean(losses.soft_cross_entropy(logits, labels), mask)
        hit = base.aspect_hits(logits, labels, "soft")
        total = action + scene
        return total, metrics | {
            "loss": total,
            "loss/scene": scene,
            "accuracy/scene": losses.masked_mean(hit, mask),
        }

    def _confusion(
        self, model: recognizer.Recognizer, stream: base.Stream, key: jax.Array
    ) -> tuple[jax.Array, base.Metrics]:
        """Minus the entropy of the action on masked clips, from -log K to 0.

        Their labels serve the log alone: how often the action is told without people.
        """
        logits = model(stream["video"], train=True, key=key).logits
        confusion = -self.confusion_weight * jnp.mean(losses.entropy(logits))
        told = jnp.argmax(logits, axis=-1) == stream["label"]
        return confusion, {
            "loss": confusion,
            "loss/confusion": confusion,
            "accuracy/action": jnp.mean(told, dtype=jnp.float32),
        }
