"""What a method may decide; the defaults are the plain baseline.

The training step, the loop and the evaluation never change from one method to another.
A method is a loss, the heads that the loss needs, and the way in which the views of a
test video are combined.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from smad_jax import losses
from smad_jax.base.aspect_table import Aspect
from smad_jax.base.sections import Range
from smad_jax.models.recognizer import Output, Recognizer

# The stream of videos without labels, for methods that adapt to a test set.
UNLABELLED = "target"
# The stream of training videos with the people painted out, where a config has one.
MASKED = "masked"

Stream = Mapping[str, Any]
Batch = Mapping[str, Stream]
Metrics = dict[str, jax.Array]
LossAndMetrics = tuple[jax.Array, Metrics]

Probability = Annotated[float, Range(least=0, most=1)]
NotNegative = Annotated[float, Range(least=0)]
Positive = Annotated[float, Range(above=0)]


@dataclasses.dataclass(frozen=True)
class Given:
    """What every method is given when it is built.

    Attributes:
        num_features: D, the size of the pooled features.
        aspects: The aspects that the training stream carries labels for, by name.
        ramp: Strength of reversed gradients as a function of the step.
        rngs: For initial parameters.
        total_steps: Of the run.
    """

    num_features: int
    aspects: Mapping[str, Aspect]
    ramp: Callable[[jax.Array], jax.Array]
    rngs: nnx.Rngs
    total_steps: int = 1


@dataclasses.dataclass(frozen=True)
class Settings:
    """The section `method.settings` of a config; the baseline has no settings."""


S = TypeVar("S", bound=Settings)


class Method(nnx.Module, Generic[S]):
    """Cross-entropy of the action, and nothing against bias.

    Attributes:
        settings_type: The dataclass of `settings`, which holds the values of this run.
        streams: What a batch holds: `train`, and `target` for a method that also takes
            unlabelled videos, of a test set or of a bank of stills.
        uses_aspects: Whether it needs labels of aspects.
        uses_groups: Whether these are groups of class and rarity (`data/groups.py`).
        uses_masked: Whether it uses clips with the people painted out, `masked`. They
            come together with those of `train` or alone, as an update of their own.
        sees_target_data: Whether it sees the videos of a test set, without labels,
            before it predicts them. Such results compare only with others of the kind.
        refits: Whether `refit` is called, once, after training.
    """

    settings_type: ClassVar[type[Settings]] = Settings
    streams: tuple[str, ...] = ("train",)
    uses_aspects: bool = False
    uses_groups: bool = False
    uses_masked: bool = False
    sees_target_data: bool = False
    refits: bool = False

    def __init__(self, given: Given, settings: S) -> None:
        # Not `given` itself: NNX would take its `rngs` for a part of the module, which
        # is neither a parameter nor a batch statistic.
        self.settings = settings
        self.ramp = given.ramp

    def loss(
        self, model: Recognizer, batch: Batch, *, key: jax.Array, step: jax.Array
    ) -> LossAndMetrics:
        """Returns the scalar that one step descends, and the metrics to log.

        A stream of the batch holds `video` [B, T, H, W, C] uint8, `label` [B],
        `aspects` {name: [B, Z]} and `aspect_mask` {name: [B] bool}; `target` has
        `video` alone, `masked` has `video` and `label`. `step` is [] int32, the
        batches of the training set before this one. Metrics are named `group/name`:
        `loss` itself, every term as `loss/...`, accuracies of 0 to 1 as `accuracy/...`.
        """
        output = model(batch["train"]["video"], train=True, key=key)
        return action_loss(output, batch["train"])

    def adapt(
        self, model: Recognizer, clips: Callable[[], Iterable[np.ndarray]]
    ) -> None:
        """Changes the trained model in place before a test; the default does nothing.

        `clips()` yields this process's share of the test set's clips, [B, T, H, W, C]
        uint8, without labels; it may be called several times.
        """

    def refit(
        self, model: Recognizer, stream: Stream, *, rng: np.random.Generator
    ) -> None:
        """Fits the trained model in place to its features; the default does nothing.

        The stream is the held-out videos, or the training set if none are held out:
        `features` [V, D], the means over test views; `label` [V]; `aspects`
        {name: [V, Z]} and `aspect_mask` {name: [V] bool}.
        """

    def predict(self, logits: jax.Array, features: jax.Array) -> jax.Array:
        """Combines a video's N views, [B, N, K] and [B, N, D], into one distribution.

        It is the mean of the views' softmax, [B, K]. With TSN the single view holds all
        test frames, so the mean over frames comes before the softmax.
        """
        return jnp.mean(jax.nn.softmax(logits), axis=1)


def action_loss(
    output: Output, stream: Stream, kept: jax.Array | None = None
) -> LossAndMetrics:
    """Returns the mean cross-entropy of the stream's `label` [B], with its metrics.

    `kept` [B] bool marks the clips that count; by default all of them.
    """
    label = stream["label"]
    mean = (
        jnp.mean if kept is None else functools.partial(losses.masked_mean, mask=kept)
    )
    loss = mean(losses.cross_entropy(output.logits, label))
    correct = (jnp.argmax(output.logits, axis=-1) == label).astype(jnp.float32)
    return loss, {"loss": loss, "loss/action": loss, "accuracy/action": mean(correct)}


def add(result: LossAndMetrics, terms: Metrics, **others: jax.Array) -> LossAndMetrics:
    """Returns a loss plus terms named `loss/...`, with the metrics of both and others.

    A keyword `order` is the metric `accuracy/order`.
    """
    total = result[0] + sum(terms.values())
    accuracies = {f"accuracy/{name}": value for name, value in others.items()}
    return total, result[1] | terms | accuracies | {"loss": total}


def accuracy(logits: jax.Array, label: jax.Array) -> jax.Array:
    """Returns the share, a scalar, of rows [B, K] whose largest logit is at `label`."""
    return jnp.mean(jnp.argmax(logits, axis=-1) == label, dtype=jnp.float32)


def add_aspect(
    result: LossAndMetrics,
    stream: Stream,
    name: str,
    kind: str,
    logits: jax.Array,
    loss: Callable[[jax.Array, jax.Array], jax.Array],
) -> LossAndMetrics:
    """Adds the loss of an aspect's logits [B, Z] and labels, and logs their accuracy.

    The largest of labels of the kind `soft` are true, and the ones of `tags`. Videos
    without labels for the aspect count in neither mean.
    """
    labels, mask = stream["aspects"][name], stream["aspect_mask"][name]
    # A batch without any label of the aspect, as web data may be, has a mean of 0 here
    # and no gradient, not a NaN.
    value = losses.masked_mean(loss(logits, labels), mask)
    # Looked up, not compared with the argmax of the labels: tags have several true
    # labels, and soft ones may be tied.
    chosen = jnp.take_along_axis(labels, jnp.argmax(logits, -1, keepdims=True), axis=-1)
    true_value = jnp.max(labels, axis=-1) if kind == "soft" else 1
    hits = (chosen[:, 0] >= true_value).astype(jnp.float32)
    # Logged so that a run shows whether its adversary has fallen to chance.
    return add(
        result, {f"loss/{name}": value}, **{name: losses.masked_mean(hits, mask)}
    )


class Trained(nnx.Module):
    """The two modules whose arrays a run trains, under these two names."""

    def __init__(self, model: Recognizer, method: Method) -> None:
        # Paths in checkpoints begin with these names, so old runs depend on them.
        self.model = model
        self.method = method


def loss(
    modules: Trained, batch: Batch, *, key: jax.Array, step: jax.Array
) -> LossAndMetrics:
    """Returns the loss and metrics of `Trained` modules, as the training step calls."""
    return modules.method.loss(modules.model, batch, key=key, step=step)
