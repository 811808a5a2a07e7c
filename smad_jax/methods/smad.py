"""Multi-aspect adversarial training, the explicit half of SMAD (Sec. 5.1).

The other half, actionness reweighting, is part of the network (`models/saar.py`)
and switched on in the config.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import jax
from flax import nnx

from smad_jax import errors, losses
from smad_jax.aspect_table import Aspect
from smad_jax.methods import base
from smad_jax.models import adversarial, recognizer


class Smad(base.Method):
    """One adversarial head an aspect, on the pooled features before dropout.

    Head i descends w_i L_i (Eq. 1) while gradient reversal makes the backbone
    ascend it (Eq. 2). The weight stands on the loss, so heads and backbone learn
    at the same rate; the ramp, where one is used, weakens the backbone's side only.

    Soft cross-entropy and KL divergence differ by the entropy of the label, which
    no parameter moves: their gradients are the same, and 0.5 of each is one loss
    of weight 1 (Table 13 compares weights).
    """

    uses_aspects = True

    def __init__(
        self,
        num_features: int,
        aspects: Mapping[str, Aspect],
        *,
        ramp: Callable[[jax.Array], jax.Array],
        rngs: nnx.Rngs,
        soft_ce_weight: float = 0.0,
        kl_weight: float = 0.0,
        tags_weight: float = 0.0,
        kl_reduction: Literal["batchmean", "mean"] = "batchmean",
        weights: Literal["divided", "each"] = "divided",
    ) -> None:
        """Builds one head for each aspect.

        Args:
            num_features: D.
            aspects: The aspects to be invariant to, by name.
            ramp: Strength of the reversed gradient as a function of the step.
            rngs: For the heads' initial parameters.
            soft_ce_weight: Weight of Eq. 3 for soft labels.
            kl_weight: Weight of Eq. 4 for soft labels.
            tags_weight: Weight of binary cross-entropy for tags.
            kl_reduction: `batchmean` is Eq. 4, summed over labels; `mean`, PyTorch's
                default, divides by their number as well, which makes the term as
                many times weaker.
            weights: `divided` by the number of aspects (Sec. 6.3), or `each`
                aspect at the full weight.

        Raises:
            ConfigError: if there is no aspect, or nothing that weighs it.
        """
        if not aspects:
            raise errors.ConfigError(
                "method 'smad' needs labels of at least one aspect; name them in "
                "method.aspects, or train the config with the argument aspects=none"
            )
        _check_known("weights", weights, ("divided", "each"))
        _check_known("kl_reduction", kl_reduction, ("batchmean", "mean"))
        self.heads = nnx.Dict(
            {
                name: adversarial.AdversarialHead(
                    num_features, aspect.num_labels, rngs=rngs
                )
                for name, aspect in aspects.items()
            }
        )
        self.kinds = nnx.static({name: a.kind for name, a in aspects.items()})
        share = 1 / len(aspects) if weights == "divided" else 1.0
        self.soft_ce_weight = soft_ce_weight * share
        self.kl_weight = kl_weight * share
        self.kl_reduction = kl_reduction
        self.tags_weight = tags_weight * share
        self.ramp = ramp

    def loss(
        self,
        model: recognizer.Recognizer,
        batch: Mapping[str, base.Stream],
        *,
        key: jax.Array,
        step: jax.Array,
    ) -> tuple[jax.Array, base.Metrics]:
        """Adds each aspect's adversarial loss to that of the action.

        Videos without labels for an aspect are left out of its mean.
        """
        stream = batch["train"]
        output = model(stream["video"], train=True, key=key)
        total, metrics = base.action_loss(output, stream)
        features = adversarial.reverse_gradient(output.features, self.ramp(step))
        for name, head in self.heads.items():
            logits = head(features, train=True)
            labels, mask = stream["aspects"][name], stream["aspect_mask"][name]
            loss = losses.masked_mean(self._adversarial(name, logits, labels), mask)
            hit = base.aspect_hits(logits, labels, self.kinds[name])
            total += loss
            metrics[f"loss/{name}"] = loss
            metrics[f"accuracy/{name}"] = losses.masked_mean(hit, mask)
        return total, metrics | {"loss": total}

    def _adversarial(
        self, name: str, logits: jax.Array, labels: jax.Array
    ) -> jax.Array:
        """Weighted loss of one aspect, [B]."""
        if self.kinds[name] == "tags":
            return self.tags_weight * losses.tag_cross_entropy(logits, labels)
        divisor = logits.shape[-1] if self.kl_reduction == "mean" else 1
        soft_ce = losses.soft_cross_entropy(logits, labels)
        kl = losses.kl_divergence(logits, labels)
        return self.soft_ce_weight * soft_ce + self.kl_weight / divisor * kl


def _check_known(setting: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise errors.ConfigError(
            f"unknown method.settings.{setting} {value!r}; known: {', '.join(known)}"
        )
