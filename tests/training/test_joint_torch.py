"""Joint training of a small network against the same steps taken in PyTorch."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx, traverse_util

from smad_jax.methods import base
from smad_jax.models import recognizer, resnet
from smad_jax.training import joint, log, loop, optimizer, schedules, step
from smad_jax.training import state as state_lib

torch = pytest.importorskip("torch")
torch_models = pytest.importorskip("tests.torch_models")

K, STEPS = 5, 5
SPEC = dataclasses.replace(
    resnet.SPECS["slowonly_tiny"],
    depths=(1, 1),
    widths=(4, 6),
    time_kernels=((1, 1), (3, 1)),
    time_strides=(1, 1),
    space_strides=(1, 2),
    stem_width=4,
)
# Images in larger batches, and clips like those of the target.
ORDER = joint.Order({"images": joint.Web(1, 6), "clips": joint.Web(2, 3)}, every=2)
SHAPES = {
    "train": (3, 4, 17, 22, 3),
    "images": (6, 1, 20, 16, 3),
    "clips": (3, 4, 17, 22, 3),
}
# the gradient is clipped, so that clipping cannot be left out unnoticed
RECIPE = {"weight_decay": 1e-2, "momentum": 0.9, "clip_norm": 1.0}


def stream(name):
    """Endless batches (video, label), the same every time."""
    rng = np.random.default_rng(sorted(SHAPES).index(name))
    while True:
        video = rng.standard_normal(SHAPES[name])
        yield video, rng.integers(K, size=len(video))


def our_stream(name):
    for video, label in stream(name):
        yield {"train": {"video": jnp.asarray(video), "label": jnp.asarray(label)}}


def modules():
    rngs = nnx.Rngs(0)
    backbone = resnet.ResNet(SPEC, dtype="float64", rngs=rngs)
    model = recognizer.Recognizer(
        backbone, K, head_scale=0.5, dtype="float64", rngs=rngs
    )
    ramp = schedules.constant_strength
    return base.Trained(model, base.Method(backbone.width, {}, ramp=ramp, rngs=rngs))


def torch_backbone():
    stem = (4, (1, 5, 5), (1, 2, 2))
    flat, inflated = ((1, 3, 3), (1, 3, 3)), ((3, 3, 3), (1, 3, 3))
    stages = [(1, 4, flat, (1, 1, 1)), (1, 6, inflated, (1, 2, 2))]
    return torch_models.Backbone(3, stem, None, stages)


def learning_rate(iteration):
    """Cosine by epoch of two iterations over three epochs, first one warm-up."""
    cosine = 0.5 * (math.cos(math.pi * (iteration // 2) / 3) + 1)
    return 0.2 * cosine * min(1.0, 0.1 + 0.9 * iteration / 2)


def train_in_torch(network):
    """The losses of all updates, the learning rate set before every one of them."""
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=1.0,
        momentum=RECIPE["momentum"],
        weight_decay=RECIPE["weight_decay"],
    )
    streams = {name: stream(name) for name in SHAPES}
    losses, norms = [], []
    for iteration in range(STEPS):
        sources = ["train"] + ["images", "clips", "clips"] * (iteration % 2 == 0)
        for source in sources:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(iteration)
            video, label = next(streams[source])
            video = torch.from_numpy(video.transpose(0, 4, 1, 2, 3).copy())
            loss = torch.nn.functional.cross_entropy(
                network(video), torch.from_numpy(label)
            )
            optimizer.zero_grad()
            loss.backward()
            norms.append(
                torch.nn.utils.clip_grad_norm_(
                    network.parameters(), RECIPE["clip_norm"]
                ).item()
            )
            optimizer.step()
            losses.append(loss.item())
    assert max(norms) > RECIPE["clip_norm"]
    return losses


def train_in_jax(graph, state, descend):
    """The state after all steps and the losses of all updates."""
    rate = schedules.cosine(0.2, epochs=3, steps_per_epoch=2, warmup_epochs=1)
    take = step.make_train_step(
        graph, base.loss, descend, lambda step: rate(step.astype(jnp.float64))
    )
    losses = []

    def train_step(*given):
        state, metrics = take(*given)
        losses.append(float(metrics["loss"]))
        return state, metrics

    state = loop.run(
        state,
        loop.Plan("demo", STEPS, 2, 1, STEPS, 3, {}, ORDER),
        train_step=train_step,
        batches={name: our_stream(name) for name in SHAPES},
        key=jax.random.key(0),
        save=lambda state: None,
        journal=log.Journal(None),
    )
    return state, losses


def test_parameters_and_statistics_after_joint_steps_equal_those_of_torch():
    with jax.enable_x64(True):
        descend = optimizer.build("sgd", **RECIPE)
        graph, state = state_lib.create(modules, descend)
        reference = torch_models.Recognizer(torch_backbone(), K).double().train()
        start = {
            **traverse_util.flatten_dict(state.params["model"]),
            **traverse_util.flatten_dict(state.batch_stats["model"]),
        }
        torch_models.load(reference, start)
        expected = train_in_torch(reference)
        state, losses = train_in_jax(graph, state, descend)
    assert len(expected) == 5 + 3 * 3
    np.testing.assert_allclose(losses, expected, rtol=1e-9)
    named = reference.state_dict()
    for part in (state.params["model"], state.batch_stats["model"]):
        for path, leaf in traverse_util.flatten_dict(part).items():
            want = named[torch_models.torch_name(path)]
            got = torch_models.to_torch(leaf, want)
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)
