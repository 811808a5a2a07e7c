"""What a method may decide; the defaults are the plain baseline.

The training step, the loop and the evaluators never change from one method to
another: a method is a loss, the extra heads it needs, and the way the views of a
test video are combined.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from smad_jax import losses
from smad_jax.aspect_table import Aspect
from smad_jax.models import recognizer

# The stream of videos without labels; methods that adapt to a test set ask for it.
UNLABELLED = "target"
# The stream of training videos with the people painted out, where a config has one.
MASKED = "masked"

Stream = Mapping[str, Any]
Metrics = dict[str, jax.Array]


class Method(nnx.Module):
    """Cross-entropy of the action, and nothing against bias.

    Attributes:
        streams: What a batch holds: `train`, and `target` for a method that learns
            from unlabelled videos of a test set too.
        uses_aspects: Whether it takes labels of aspects.
        uses_groups: Whether these are groups of class and rarity (`data/groups.py`).
        uses_masked: Whether it takes clips with the people painted out, `masked`; they
            come with those of `train` or, as an update of their own, alone.
        sees_target_data: Whether it sees videos of a test set, without labels, before
            it predicts them; such results compare with others of the kind only.
        refits: Whether `refit` is to be called once, after training.
    """

    streams: tuple[str, ...] = ("train",)
    uses_aspects: bool = False
    uses_groups: bool = False
    uses_masked: bool = False
    sees_target_data: bool = False
    refits: bool = False

    def __init__(
        self,
        num_features: int,
        aspects: Mapping[str, Aspect],
        *,
        ramp: Callable[[jax.Array], jax.Array],
        rngs: nnx.Rngs,
    ) -> None:
        """Takes what every method is offered; the baseline needs none of it.

        Args:
            num_features: D, the size of the pooled features.
            aspects: The aspects that the training stream carries labels for.
            ramp: Strength of reversed gradients as a function of the step.
            rngs: For initial parameters.
        """

    def loss(
        self,
        model: recognizer.Recognizer,
        batch: Mapping[str, Stream],
        *,
        key: jax.Array,
        step: jax.Array,
    ) -> tuple[jax.Array, Metrics]:
        """Returns what one step descends, and what to log.

        Args:
            model: The recogniser in training.
            batch: For each stream, `video` [B, T, H, W, C] uint8, `label` [B],
                `aspects` {name: [B, Z]} and `aspect_mask` {name: [B] bool}; `target`
                has `video` alone, `masked` `video` and `label`.
            key: For dropout and whatever else is random.
            step: [] int32, batches of the training set before this one.

        Returns:
            The loss, and metrics named `group/name`: `loss` itself, every term as
            `loss/...`, accuracies between 0 and 1 as `accuracy/...`.
        """
        del step
        output = model(batch["train"]["video"], train=True, key=key)
        return action_loss(output, batch["train"])

    def adapt(
        self,
        model: recognizer.Recognizer,
        clips: Callable[[], Iterable[np.ndarray]],
    ) -> None:
        """Changes the trained model before it is tested on a set; here nothing.

        Args:
            model: As it was trained; to be changed in place.
            clips: Called as often as wanted, gives this process's share of the test
                set's clips, [B, T, H, W, C] uint8, without labels.
        """

    def refit(
        self,
        model: recognizer.Recognizer,
        stream: Stream,
        *,
        rng: np.random.Generator,
    ) -> None:
        """Fits the trained model to features that it gives; here nothing.

        Args:
            model: As it was trained; to be changed in place.
            stream: Of the held-out videos, or without any of the training set:
                `features` [V, D], the means over test views; `label` [V]; `aspects`
                {name: [V, Z]} and `aspect_mask` {name: [V] bool}.
            rng: For whatever is random.
        """

    def predict(self, logits: jax.Array, features: jax.Array) -> jax.Array:
        """Combines the views of a video into one distribution over actions.

        Args:
            logits: [B, N, K], one row a view.
            features: [B, N, D].

        Returns:
            [B, K], the mean of the views' softmax. With TSN the single view holds
            all test frames, so there the mean is taken before the softmax.
        """
        del features
        return jnp.mean(jax.nn.softmax(logits), axis=1)


def action_loss(
    output: recognizer.Output, stream: Stream, kept: jax.Array | None = None
) -> tuple[jax.Array, Metrics]:
    """Returns mean cross-entropy of the action, with its metrics.

    Args:
        output: Of the network.
        stream: Its clips' `label`, [B].
        kept: [B] bool, the clips that count; all without it.
    """
    label = stream["label"]
    mean = (
        jnp.mean if kept is None else functools.partial(losses.masked_mean, mask=kept)
    )
    loss = mean(losses.cross_entropy(output.logits, label))
    correct = (jnp.argmax(output.logits, axis=-1) == label).astype(jnp.float32)
    return loss, {
        "loss": loss,
        "loss/action": loss,
        "accuracy/action": mean(correct),
    }


def aspect_hits(logits: jax.Array, labels: jax.Array, kind: str) -> jax.Array:
    """Whether the most likely label of an aspect is a true one, [B] float32.

    Args:
        logits: [B, Z].
        labels: [B, Z]; of soft ones the largest are true, of tags the ones.
        kind: `soft` or `tags`.
    """
    found = jnp.take_along_axis(labels, jnp.argmax(logits, -1, keepdims=True), axis=-1)
    wanted = jnp.max(labels, axis=-1) if kind == "soft" else 1
    return (found[:, 0] >= wanted).astype(jnp.float32)


class Trained(nnx.Module):
    """The two modules whose arrays a run trains, under these two names."""

    def __init__(self, model: recognizer.Recognizer, method: Method) -> None:
        self.model = model
        self.method = method


def loss(
    modules: nnx.Module,
    batch: Mapping[str, Stream],
    *,
    key: jax.Array,
    step: jax.Array,
) -> tuple[jax.Array, Metrics]:
    """The loss of `Trained` modules, in the form the training step asks for."""
    if not isinstance(modules, Trained):
        raise TypeError(f"expected Trained modules, got {type(modules).__name__}")
    return modules.method.loss(modules.model, batch, key=key, step=step)
