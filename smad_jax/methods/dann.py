"""Domain-adversarial training (DANN), a row of Table 3.

A discriminator separates labelled videos from the test set's unlabelled ones, and the
backbone learns features that give it nothing to separate them by.
"""

import dataclasses
from typing import TypeVar

import jax
import jax.numpy as jnp

from smad_jax import losses
from smad_jax.methods import base, domains
from smad_jax.models import adversarial
from smad_jax.models.recognizer import Recognizer


@dataclasses.dataclass(frozen=True)
class Settings(domains.Settings):
    """The discriminator.

    Attributes:
        hidden: Widths of its hidden layers, each with batch norm.
    """

    hidden: tuple[int, ...] = ()


D = TypeVar("D", bound=Settings)


class Dann(domains.TwoDomains[D]):
    """A binary adversary on the pooled features before dropout.

    The discriminator always learns at full strength; `method.ramp = "dann"` is Ganin's
    2 / (1 + exp(-10 p)) - 1 on the backbone's side, p the share of training done. The
    features go in as they are, without the bottleneck that toolboxes put between.
    """

    settings_type = Settings

    def __init__(self, given: base.Given, settings: D) -> None:
        super().__init__(given, settings)
        self.discriminator = adversarial.AdversarialHead(
            given.num_features, 1, hidden=settings.hidden, rngs=given.rngs
        )

    def loss(
        self, model: Recognizer, batch: base.Batch, *, key: jax.Array, step: jax.Array
    ) -> base.LossAndMetrics:
        """Adds the domain's adversarial loss to that of the action."""
        source, target = self.outputs(model, batch, key)
        action, metrics = base.action_loss(source, batch["train"])
        # The ramp weakens the reversal and not the loss: the backbone learns nothing
        # from a discriminator that is bad.
        domain, accuracy = self.domain_loss(
            source.features, target.features, self.ramp(step)
        )
        total = action + domain
        metrics |= {"loss/domain": domain, "accuracy/domain": accuracy}
        return total, metrics | {"loss": total}

    def domain_loss(
        self, source: jax.Array, target: jax.Array, strength: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Returns the weighted binary cross-entropy and the discriminator's accuracy.

        Of [S, D] labelled features, which are 1 to the discriminator, and [T, D]
        unlabelled ones, which are 0, with the `strength` of the reversed gradient.
        """
        features = jnp.concatenate([source, target])
        logits = self.discriminator(
            adversarial.reverse_gradient(features, strength), train=True
        )
        is_source = jnp.arange(len(features))[:, None] < len(source)  # [S + T, 1]
        values = losses.tag_cross_entropy(logits, is_source.astype(logits.dtype))
        right = ((logits > 0) == is_source)[:, 0].astype(jnp.float32)
        # Averaged over each domain and then over the two: otherwise the larger batch
        # would count more, and its constant answer would pass for accuracy.
        loss, accuracy = (
            (each[: len(source)].mean() + each[len(source) :].mean()) / 2
            for each in (values, right)
        )
        return self.settings.weight * loss, accuracy
