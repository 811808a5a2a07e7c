"""Multi-aspect adversarial training, the explicit half of SMAD (Sec. 5.1).

The other half, actionness reweighting, is part of the network (`models/saar.py`).
"""

import dataclasses
import functools
from typing import Literal

import jax
from flax import nnx

from smad_jax import errors, losses
from smad_jax.methods import base
from smad_jax.models import adversarial
from smad_jax.models.recognizer import Recognizer


@dataclasses.dataclass(frozen=True)
class Settings(base.Settings):
    """Weights of an aspect's loss: Eq. 3 and 4 for soft labels, BCE for tags.

    Attributes:
        kl_reduction: `batchmean` is Eq. 4, summed over labels; `mean`, PyTorch's
            default, also divides by their number, which weakens the term as much.
        weights: `divided` by the number of aspects (Sec. 6.3), or `each` in full.
    """

    soft_ce_weight: float = 0.0
    kl_weight: float = 0.0
    tags_weight: float = 0.0
    kl_reduction: Literal["batchmean", "mean"] = "batchmean"
    weights: Literal["divided", "each"] = "divided"


class Smad(base.Method[Settings]):
    """One adversarial head an aspect, on the pooled features before dropout.

    Head i descends w_i L_i (Eq. 1) while gradient reversal makes the backbone ascend it
    (Eq. 2). The weight stands on the loss, so heads and backbone learn at the same
    rate; the ramp, where one is used, weakens the backbone's side only.

    Soft cross-entropy and KL divergence differ by the entropy of the label, which no
    parameter moves. Their gradients are the same, and 0.5 of each is one loss of weight
    1 (Table 13 compares weights).
    """

    settings_type = Settings
    uses_aspects = True

    def __init__(self, given: base.Given, settings: Settings) -> None:
        super().__init__(given, settings)
        if not given.aspects:
            raise errors.ConfigError(
                "method 'smad' needs labels of at least one aspect; name them in "
                "method.aspects, or train the config with the argument aspects=none"
            )
        self.heads = nnx.Dict(
            {
                name: adversarial.AdversarialHead(
                    given.num_features, aspect.num_labels, rngs=given.rngs
                )
                for name, aspect in given.aspects.items()
            }
        )
        self.kinds = nnx.static({name: a.kind for name, a in given.aspects.items()})
        # Divided, the adversaries together weigh as much against the action however
        # many aspects there are.
        self.share = 1 / len(given.aspects) if settings.weights == "divided" else 1.0

    def loss(
        self, model: Recognizer, batch: base.Batch, *, key: jax.Array, step: jax.Array
    ) -> base.LossAndMetrics:
        """Adds each aspect's adversarial loss to that of the action."""
        stream = batch["train"]
        output = model(stream["video"], train=True, key=key)
        result = base.action_loss(output, stream)
        # Before dropout: the paper does not say which, and these are the features that
        # a linear probe of the finished network reads (Sec. 6.2).
        features = adversarial.reverse_gradient(output.features, self.ramp(step))
        for name, head in self.heads.items():
            kind, logits = self.kinds[name], head(features, train=True)
            loss = functools.partial(self._adversarial, kind)
            result = base.add_aspect(result, stream, name, kind, logits, loss)
        return result

    def _adversarial(
        self, kind: str, logits: jax.Array, labels: jax.Array
    ) -> jax.Array:
        """Returns the weighted loss of one aspect, [B]."""
        chosen = self.settings
        if kind == "tags":
            weight = chosen.tags_weight * self.share
            return weight * losses.tag_cross_entropy(logits, labels)
        divisor = logits.shape[-1] if chosen.kl_reduction == "mean" else 1
        soft_ce = losses.soft_cross_entropy(logits, labels)
        kl = losses.kl_divergence(logits, labels)
        soft_ce_weight = chosen.soft_ce_weight * self.share
        return soft_ce_weight * soft_ce + chosen.kl_weight * self.share / divisor * kl
