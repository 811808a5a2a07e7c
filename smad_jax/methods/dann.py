"""Domain-adversarial training (DANN), a row of Table 3.

A discriminator tells labelled videos from unlabelled ones of the test set, and the
backbone learns to give it nothing to go by.
"""

from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from smad_jax import losses
from smad_jax.aspect_table import Aspect
from smad_jax.methods import base, domains
from smad_jax.models import adversarial, recognizer


class Dann(domains.TwoDomains):
    """A binary adversary on the pooled features before dropout.

    The discriminator always learns at full strength; `method.ramp = "dann"` is Ganin's
    2 / (1 + exp(-10 p)) - 1 on the backbone's side, p the share of training done. The
    features go in as they are, without the bottleneck that toolboxes put between.
    """

    def __init__(
        self,
        num_features: int,
        aspects: Mapping[str, Aspect],
        *,
        ramp: Callable[[jax.Array], jax.Array],
        rngs: nnx.Rngs,
        weight: float = 1.0,
        hidden: Sequence[int] = (),
        passes: domains.Passes = "joint",
    ) -> None:
        """Builds the discriminator.

        Args:
            num_features: D.
            aspects: None of use.
            ramp: Strength of the reversed gradient as a function of the step.
            rngs: For the discriminator's initial parameters.
            weight: Of the domain loss.
            hidden: Widths of the discriminator's hidden layers, each with batch norm.
            passes: See `domains.TwoDomains`.

        Raises:
            ConfigError: if there is no such way to pass.
        """
        super().__init__(num_features, aspects, ramp=ramp, rngs=rngs, passes=passes)
        self.discriminator = adversarial.AdversarialHead(
            num_features, 1, hidden=hidden, rngs=rngs
        )
        self.weight = weight
        self.ramp = ramp

    def loss(
        self,
        model: recognizer.Recognizer,
        batch: Mapping[str, base.Stream],
        *,
        key: jax.Array,
        step: jax.Array,
    ) -> tuple[jax.Array, base.Metrics]:
        """Adds the domain's adversarial loss to that of the action."""
        source, target = self.outputs(model, batch, key)
        action, metrics = base.action_loss(source, batch["train"])
        domain, accuracy = self.domain_loss(
            source.features, target.features, self.ramp(step)
        )
        total = action + domain
        return total, metrics | {
            "loss": total,
            "loss/domain": domain,
            "accuracy/domain": accuracy,
        }

    def domain_loss(
        self, source: jax.Array, target: jax.Array, strength: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Returns the weighted domain loss and the discriminator's accuracy.

        Binary cross-entropy, averaged over each domain by itself and then over the
        two, so that unequal batches count alike.

        Args:
            source: [S, D] features of labelled videos, which are to be called 1.
            target: [T, D] features of unlabelled ones, to be called 0.
            strength: Of the reversed gradient.
        """
        features = jnp.concatenate([source, target])
        logits = self.discriminator(
            adversarial.reverse_gradient(features, strength), train=True
        )
        is_source = jnp.arange(len(features))[:, None] < len(source)  # [S + T, 1]
        values = losses.tag_cross_entropy(logits, is_source.astype(logits.dtype))
        right = ((logits > 0) == is_source)[:, 0].astype(jnp.float32)
        loss, accuracy = (
            (each[: len(source)].mean() + each[len(source) :].mean()) / 2
            for each in (values, right)
        )
        return self.weight * loss, accuracy
