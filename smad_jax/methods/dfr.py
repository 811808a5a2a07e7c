"""Deep feature reweighting (DFR): the last layer fitted again, on balanced groups.

Kirichenko, Izmailov and Wilson, "Last Layer Re-Training is Sufficient for Robustness to
Spurious Correlations", ICLR 2023. Trained like the baseline. The features are good, it
finds; it is the last layer that leans on the scene.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from smad_jax import errors, losses
from smad_jax.aspect_table import Aspect
from smad_jax.methods import base, group_dro
from smad_jax.models import recognizer

_ITERATIONS = 500


class Dfr(base.Method):
    """The mean of logistic regressions on group-balanced draws of the features.

    Departures: the publication tries penalties on half of the held-out videos and keeps
    the best for the worst group; here it is a setting. Its classes are two, with a
    regression each; here one regression is over all of them. Groups are of class and
    rarity (`data/groups.py`), and held-out videos come from the training set, so that
    no method sees more labels than another.
    """

    uses_aspects = True
    uses_groups = True
    refits = True

    def __init__(
        self,
        num_features: int,
        aspects: Mapping[str, Aspect],
        *,
        ramp: Callable[[jax.Array], jax.Array],
        rngs: nnx.Rngs,
        draws: int = 1,
        inverse_penalty: float = 1.0,
    ) -> None:
        """Takes how the last layer is fitted; there is nothing to train.

        Args:
            num_features: D.
            aspects: The groups, as an aspect with soft labels, and nothing else.
            ramp: Not used.
            rngs: Not used.
            draws: Balanced draws to average the layers of.
            inverse_penalty: C: what the sum of the losses weighs against the sum of
                the kernel's absolute values, as in scikit-learn.

        Raises:
            ConfigError: if there are no groups or a setting has no such value.
        """
        if draws < 1 or inverse_penalty <= 0:
            raise errors.ConfigError(
                "method.settings.draws must be at least 1 and inverse_penalty above 0, "
                f"but they are {draws} and {inverse_penalty}"
            )
        self.name = group_dro.the_groups("dfr", aspects)
        self.draws = draws
        self.inverse_penalty = inverse_penalty

    def refit(
        self,
        model: recognizer.Recognizer,
        stream: base.Stream,
        *,
        rng: np.random.Generator,
    ) -> None:
        """Gives the action head the mean of the layers fitted to balanced draws.

        Raises:
            DataError: if no video has a group.
        """
        group = np.argmax(stream["aspects"][self.name], axis=1)
        group = np.where(stream["aspect_mask"][self.name], group, -1)
        features, label = stream["features"], stream["label"]
        mean, std = features.mean(axis=0), features.std(axis=0)
        std = np.where(std > 0, std, 1)  # a feature that is always the same
        standard = (features - mean) / std
        num_classes = len(model.head.bias[...])
        kernels, biases = [], []
        for _ in range(self.draws):
            rows = balanced_rows(group, rng)
            penalty = 1 / (self.inverse_penalty * len(rows))
            kernel, bias = fit(standard[rows], label[rows], num_classes, penalty)
            kernels.append(kernel)
            biases.append(bias)
        kernel = np.mean(kernels, axis=0) / std[:, None]
        bias = np.mean(biases, axis=0) - mean @ kernel
        for parameter, value in ((model.head.kernel, kernel), (model.head.bias, bias)):
            parameter[...] = jnp.asarray(value, parameter.dtype)


def balanced_rows(group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws as many rows of every group as the smallest has.

    Args:
        group: [V] int; negative for videos without a group, which are left out.
        rng: Of the draw.

    Raises:
        DataError: if no video has a group.
    """
    there, sizes = np.unique(group[group >= 0], return_counts=True)
    if not len(there):
        raise errors.DataError(
            "no video to fit the last layer to has a group; label the training set's "
            "videos with python -m data_prep.pseudo_label"
        )
    drawn = [rng.permutation(np.flatnonzero(group == g))[: sizes.min()] for g in there]
    return np.concatenate(drawn)


def fit(
    features: np.ndarray, label: np.ndarray, num_classes: int, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Fits a logistic regression over all classes at once.

    It minimises the mean cross-entropy plus `penalty` times the sum of the kernel's
    absolute values, by accelerated proximal gradient descent (FISTA), begun anew
    whenever it overshoots. The bias of a class without a video has no minimum; it only
    moves as far as the steps take it.

    Args:
        features: [V, D], standardised.
        label: [V] int.
        num_classes: K.
        penalty: At least 0.

    Returns:
        The kernel [D, K] and the bias [K].
    """
    padded = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    # the Hessian of the softmax is at most a half
    curvature = 0.5 * np.linalg.eigvalsh(padded.T @ padded / len(padded))[-1]
    weights = np.asarray(
        _descend(
            jnp.asarray(padded, jnp.float32),
            jnp.asarray(label),
            jnp.zeros((padded.shape[1], num_classes)),
            penalty,
            curvature,
        )
    )
    return weights[:-1], weights[-1]


@jax.jit
def _descend(
    features: jax.Array,
    label: jax.Array,
    start: jax.Array,
    penalty: jax.Array,
    curvature: jax.Array,
) -> jax.Array:
    """Weights [D + 1, K] after the steps; the last row, the bias, has no penalty."""

    def loss(weights: jax.Array) -> jax.Array:
        return losses.cross_entropy(features @ weights, label).mean()

    def one(state, _):
        weights, ahead, momentum = state
        moved = ahead - jax.grad(loss)(ahead) / curvature
        shrunk = jnp.sign(moved) * jnp.maximum(jnp.abs(moved) - penalty / curvature, 0)
        after = jnp.concatenate([shrunk[:-1], moved[-1:]])
        overshot = jnp.vdot(ahead - after, after - weights) > 0
        momentum = jnp.where(overshot, 1.0, momentum)
        grown = (1 + jnp.sqrt(1 + 4 * momentum**2)) / 2
        ahead = after + (momentum - 1) / grown * (after - weights)
        return (after, ahead, grown), None

    state = (start, start, jnp.float32(1))
    return lax.scan(one, state, length=_ITERATIONS)[0][0]
