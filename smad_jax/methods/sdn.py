"""SDN, a row of Table 3: forget the scene, and do not guess without the people.

The paper's form of Choi et al.: an adversary for the scene of whole clips, and entropy
maximised on clips with the people painted out. Their released code instead sends the
latter through a separate head behind a reversal, which never sees an action.
"""

import dataclasses

import jax
import jax.numpy as jnp

from smad_jax import errors, losses
from smad_jax.methods import base
from smad_jax.models import adversarial
from smad_jax.models.recognizer import Recognizer


@dataclasses.dataclass(frozen=True)
class Settings(base.Settings):
    """Scene head and confusion; the ramp multiplies the strength of the reversal.

    The head's hidden layers have the widths `hidden` and batch norm. The confusion is
    minus the entropy on masked clips.
    """

    reversal: base.NotNegative = 1.0
    hidden: tuple[int, ...] = ()
    confusion_weight: base.NotNegative = 0.0


class Sdn(base.Method[Settings]):
    """A scene adversary with hidden layers, and confusion where there are masked clips.

    Unlike SMAD's heads the adversary is not linear. The strength of the reversal
    weakens the backbone's side alone: the head learns at full strength. The authors
    have no ramp. Confusion trains both backbone and action head. A batch holds whole
    clips, masked ones, or both: the authors alternate, each an update
    (`data.masked.turns`). Masked clips have batch statistics of their own, and also
    enter the running statistics.
    """

    settings_type = Settings
    uses_aspects = True
    uses_masked = True

    def __init__(self, given: base.Given, settings: Settings) -> None:
        super().__init__(given, settings)
        # Tags would need another loss, and every further aspect a head.
        kinds = {name: aspect.kind for name, aspect in given.aspects.items()}
        if kinds != {"scene": "soft"}:
            raise errors.ConfigError(
                "method 'sdn' needs method.aspects=('scene',) with soft labels, but "
                f"they are {kinds or 'none'}"
            )
        self.scene_head = adversarial.AdversarialHead(
            given.num_features,
            given.aspects["scene"].num_labels,
            hidden=settings.hidden,
            rngs=given.rngs,
        )

    def loss(
        self, model: Recognizer, batch: base.Batch, *, key: jax.Array, step: jax.Array
    ) -> base.LossAndMetrics:
        """Adds up the losses of whole clips and of masked ones.

        Videos without a scene label count in the head's batch statistics alone.
        """
        # Both split off in any case: whole clips draw the same with and without masked.
        keys = jax.random.split(key)
        if base.MASKED not in batch:
            return self._scene_loss(model, batch["train"], keys[0], step)
        confusion, masked = self._confusion(model, batch[base.MASKED], keys[1])
        # An update on masked clips alone, when the two alternate.
        if "train" not in batch:
            return confusion, masked
        whole = self._scene_loss(model, batch["train"], keys[0], step)
        accuracy = masked["accuracy/action"]
        return base.add(whole, {"loss/confusion": confusion}, masked=accuracy)

    def _scene_loss(
        self, model: Recognizer, stream: base.Stream, key: jax.Array, step: jax.Array
    ) -> base.LossAndMetrics:
        """Returns the action's cross-entropy plus the adversary's, on whole clips."""
        output = model(stream["video"], train=True, key=key)
        # On the reversal and not on the loss: the head learns at full strength.
        features = adversarial.reverse_gradient(
            output.features, self.settings.reversal * self.ramp(step)
        )
        logits = self.scene_head(features, train=True)
        action, loss = base.action_loss(output, stream), losses.soft_cross_entropy
        return base.add_aspect(action, stream, "scene", "soft", logits, loss)

    def _confusion(
        self, model: Recognizer, stream: base.Stream, key: jax.Array
    ) -> base.LossAndMetrics:
        """Returns the weight times minus the entropy, 0 to log K, on masked clips."""
        logits = model(stream["video"], train=True, key=key).logits
        confusion = -self.settings.confusion_weight * jnp.mean(losses.entropy(logits))
        # The labels serve the log alone: how often the scene still gives the action.
        return confusion, {
            "loss": confusion,
            "loss/confusion": confusion,
            "accuracy/action": base.accuracy(logits, stream["label"]),
        }
