"""Two small networks that predict scene and object of the embedded benchmark's frames.

They stand in for the ResNet-50s of Places365 and ImageNet (App. A.1): trained on still
pictures of their own, never on a video, and correct for most frames. A scene fills the
frame, so its network averages over locations; an object is small, so its network takes
the maximum.
"""

import functools
import math
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx


class Layer(NamedTuple):
    """A convolution: output channels, kernel size and stride in pixels."""

    channels: int
    size: int
    stride: int


class Plan(NamedTuple):
    """Network and training of a labeller.

    Attributes:
        layers: Convolutions, a ReLU after each.
        pooling: Over the locations of the last feature map.
        epochs: Passes over the pictures.
        learning_rate: Peak of the one-cycle schedule.
        batch_size: Pictures a step.
    """

    layers: tuple[Layer, ...]
    pooling: Literal["mean", "max"]
    epochs: int
    learning_rate: float
    batch_size: int = 50


# Chosen for time on a CPU: patches (size = stride) cost a matrix product each.
PLANS = {
    "scene": Plan((Layer(32, 4, 4), Layer(48, 2, 2)), "mean", 6, 6e-3),
    "object": Plan((Layer(16, 2, 2), Layer(16, 3, 1), Layer(32, 3, 2)), "max", 6, 8e-3),
}


class Labeller(nnx.Module):
    """Convolutions, a pool over locations, a linear classifier."""

    def __init__(self, plan: Plan, num_labels: int, *, seed: int):
        layers, channels = [], 3
        initial, rngs = _he_normal(np.random.default_rng(seed)), nnx.Rngs(seed)
        for layer in plan.layers:
            if layer.size == layer.stride:
                inputs = layer.size**2 * channels
                layers.append(
                    nnx.Linear(inputs, layer.channels, kernel_init=initial, rngs=rngs)
                )
            else:
                layers.append(
                    nnx.Conv(
                        channels,
                        layer.channels,
                        (layer.size, layer.size),
                        strides=layer.stride,
                        kernel_init=initial,
                        rngs=rngs,
                    )
                )
            channels = layer.channels
        self.layers = nnx.List(layers)
        self.strides = tuple(layer.stride for layer in plan.layers)
        self.pooling = plan.pooling
        self.classifier = nnx.Linear(
            channels, num_labels, kernel_init=initial, rngs=rngs
        )

    def __call__(self, frames: jax.Array) -> jax.Array:
        """Returns logits [B, Z] of frames [B, H, W, 3] uint8."""
        x = frames.astype(jnp.float32) / 64 - 2
        for layer, stride in zip(self.layers, self.strides, strict=True):
            if isinstance(layer, nnx.Linear):
                x = _patches(x, stride)
            x = nnx.relu(layer(x))
        pool = jnp.mean if self.pooling == "mean" else jnp.max
        return self.classifier(pool(x, axis=(1, 2)))


def _he_normal(rng: np.random.Generator) -> nnx.Initializer:
    """He's initial weights, drawn by NumPy: in XLA they take two seconds to compile."""

    def initial(key, shape, dtype, out_sharding=None):
        deviation = math.sqrt(2 / math.prod(shape[:-1]))
        return jnp.asarray(rng.normal(0, deviation, shape), dtype)

    return initial


def _patches(x: jax.Array, size: int) -> jax.Array:
    """[B, H, W, C] -> [B, H / size, W / size, size * size * C]."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // size, size, width // size, size, channels)
    x = x.transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, height // size, width // size, size * size * channels)


def train(
    frames: np.ndarray, labels: np.ndarray, num_labels: int, plan: Plan, *, seed: int
) -> Labeller:
    """Returns a labeller trained on still pictures.

    `frames` are [V, H, W, 3] uint8, at least one batch, `labels` [V] int, 0..Z - 1. The
    seed draws initial weights and order.
    """
    labeller = Labeller(plan, num_labels, seed=seed)
    graph, parameters = nnx.split(labeller)
    steps_an_epoch = len(frames) // plan.batch_size
    schedule = optax.cosine_onecycle_schedule(
        plan.epochs * steps_an_epoch, plan.learning_rate, pct_start=0.2
    )
    optimizer = optax.adamw(schedule, weight_decay=1e-3)

    def loss(parameters, frames, labels):
        logits = nnx.merge(graph, parameters)(frames)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(parameters, state, frames, labels):
        gradient = jax.grad(loss)(parameters, frames, labels)
        updates, state = optimizer.update(gradient, state, parameters)
        return optax.apply_updates(parameters, updates), state

    rng = np.random.default_rng(seed)
    state = optimizer.init(parameters)
    for _ in range(plan.epochs):
        order = rng.permutation(len(frames))[: steps_an_epoch * plan.batch_size]
        # no scan, since in a loop XLA's convolutions on CPU are six times slower
        for rows in order.reshape(-1, plan.batch_size):
            parameters, state = step(parameters, state, frames[rows], labels[rows])
    return nnx.merge(graph, parameters)


def probabilities(
    labeller: Labeller, frames: np.ndarray, *, batch_size: int = 500
) -> np.ndarray:
    """Returns [V, Z] float32 probabilities of frames [V, H, W, 3] uint8."""
    graph, parameters = nnx.split(labeller)

    @jax.jit
    def predict(parameters, frames):
        return jax.nn.softmax(nnx.merge(graph, parameters)(frames))

    parts = []
    for begin in range(0, len(frames), batch_size):
        batch = frames[begin : begin + batch_size]
        padding = [(0, batch_size - len(batch)), (0, 0), (0, 0), (0, 0)]
        parts.append(np.asarray(predict(parameters, np.pad(batch, padding))))
    return np.concatenate(parts)[: len(frames)]
