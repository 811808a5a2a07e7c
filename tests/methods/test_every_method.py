"""Every method on every kind of network; two training steps and a test of each."""

import dataclasses
import pathlib
import re
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from smad_jax import methods
from smad_jax.base import aspect_table
from smad_jax.methods import base
from smad_jax.models import layers, recognizer, resnet
from smad_jax.training import optimizer, stepping, train_state
from tests.helpers import debiasing, networks

B, FEWER, T, N, H, W, K, Z = 4, 2, 4, 3, 8, 10, 7, 5
# What a method needs to have all of its losses and effects; others need no settings.
SETTINGS = {
    "smad": {"soft_ce_weight": 0.5, "kl_weight": 0.5},
    "frame_shuffle": {"probability": 0.5, "weight": 0.5},
    "sdn": {"confusion_weight": 1.0, "hidden": (3,)},
    "sava": {"num_clips": 2, "order_weight": 1.0, "attention_weight": 0.1},
    "still_mix": {"probability": 1.0},
    "still_mix_bank": {"probability": 1.0},
    "background_erasing": {"probability": 1.0, "strength": 0.5},
    "fame": {"probability": 1.0, "foreground": 0.5},
    "group_dro": {"step_size": 0.5},
    "actor_cut_mix": {"probability": 1.0},
    "albar": {"still_weight": 0.5, "entropy_weight": 0.5, "gradient_weight": 0.5},
}
# Methods that train like the baseline, and change the network afterwards.
AFTER_TRAINING = {"adabn", "dfr"}
# Two stages of one block each; what makes the kind is kept.
SMALL = {"depths": (1, 1), "widths": (3, 4), "stem_width": 3, "pool_window": None}
NETWORKS = {
    "tsn": dataclasses.replace(
        resnet.SPECS["tsn_tiny"], time_kernels=((1, 1), (1, 1)), **SMALL
    ),
    "slowonly": dataclasses.replace(
        resnet.SPECS["slowonly_tiny"], time_kernels=((1, 1), (3, 1)), **SMALL
    ),
    "resnet3d": dataclasses.replace(
        resnet.SPECS["resnet3d_18"], stem_kernel=(3, 3, 3), **SMALL
    ),
}


def pixels(count, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, T, H, W, 3), dtype=np.uint8)


def batch_of(method):
    """A batch of every stream that the method may be given."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, K, B).astype(np.int32)
    train = {"video": pixels(B, 1), "label": label, "aspects": {}, "aspect_mask": {}}
    if method.uses_aspects:
        train["aspects"]["scene"] = rng.dirichlet(np.ones(Z), B).astype(np.float32)
        train["aspect_mask"]["scene"] = np.array([True, True, False, True])
    batch = {"train": train}
    if base.UNLABELLED in method.streams:
        batch[base.UNLABELLED] = {"video": pixels(FEWER, 2)}
    if method.uses_masked:
        batch[base.MASKED] = {"video": pixels(FEWER, 3), "label": label[:FEWER]}
    return batch


def build(name, network, input="rgb"):
    method = methods.METHODS[name]
    scene = [aspect_table.Aspect("scene", "soft", Z, "test")]
    model = recognizer.Recognizer(
        resnet.ResNet(
            NETWORKS[network],
            layers.Factory(nnx.Rngs(0)),
            recognizer.CHANNELS[input],
        ),
        K,
        layers.Factory(nnx.Rngs(1)),
        input=input,
    )
    return base.Trained(
        model,
        debiasing.build(
            name,
            model.backbone.width,
            scene if method.uses_aspects else (),
            total_steps=2,
            **SETTINGS.get(name, {}),
        ),
    )


# Each method on one of the networks, by turns; on the others by hand, for compiling
# all of them takes minutes.
PRODUCT = [
    pytest.param(
        *(name, network),
        marks=[pytest.mark.by_hand] if (row - column) % len(NETWORKS) else [],
    )
    for row, name in enumerate(methods.METHODS)
    for column, network in enumerate(NETWORKS)
]


@pytest.mark.parametrize("input", recognizer.CHANNELS)
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", methods.METHODS)
def test_method_has_a_loss_and_a_gradient_for_every_network(name, network, input):
    made = networks.drawn(lambda: build(name, network, input), "float32")
    graph, params, stats = made

    def objective(params, batch):
        modules = train_state.merge(graph, params, stats)
        return base.loss(modules, batch, key=jax.random.key(0), step=jnp.asarray(0))

    gradient, metrics = jax.eval_shape(
        jax.grad(objective, has_aux=True), params, batch_of(methods.METHODS[name])
    )
    assert all(value.shape == () for value in metrics.values())
    assert jax.tree.map(lambda x: (x.shape, x.dtype), gradient) == (
        jax.tree.map(lambda x: (x.shape, x.dtype), params)
    )


@pytest.mark.parametrize(("name", "network"), PRODUCT)
def test_method_trains_two_steps_and_tests_once(name, network):
    direction = optimizer.build("sgd", momentum=0.9)
    graph, *arrays = networks.drawn(lambda: build(name, network), "float32")
    state = train_state.TrainState(jnp.asarray(0), *arrays, direction.init(arrays[0]))
    take = stepping.make_train_step(graph, base.loss, direction, lambda step: 0.1)
    batch, key = batch_of(methods.METHODS[name]), jax.random.key(0)
    take = take.lower(state, batch, key, 1).compile(networks.QUICKLY)
    before = jax.tree.map(np.array, state.params["model"])
    for _ in range(2):
        state, metrics = take(state, batch, key, 1)
        assert not metrics["non_finite"]
        terms = sum(v for k, v in metrics.items() if k.startswith("loss/"))
        assert float(metrics["loss"]) == pytest.approx(float(terms), rel=1e-5)
    assert int(state.step) == 2
    moved = jax.tree.map(
        lambda a, b: (a != b).any(),
        before,
        jax.tree.map(np.array, state.params["model"]),
    )
    assert all(jax.tree.leaves(moved["backbone"]))

    modules = train_state.merge(graph, state.params, state.batch_stats)
    views = pixels(FEWER * N, 4)
    modules.method.adapt(modules.model, lambda: [views])

    def test(params, batch_stats):
        modules = train_state.merge(graph, params, batch_stats)
        output = modules.model(views, train=False)
        by_video = (x.reshape(FEWER, N, -1) for x in (output.logits, output.features))
        return modules.method.predict(*by_video)

    test = jax.jit(test, compiler_options=networks.QUICKLY)
    probabilities = test(state.params, train_state.batch_stats_of(modules))
    assert probabilities.shape == (FEWER, K)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def gradient_of_network(name):
    """Gradient of one step for the parameters of a little network."""
    method = methods.METHODS[name]
    num_clips = SETTINGS.get(name, {}).get("num_clips", 1)
    scene = [aspect_table.Aspect("scene", "soft", Z, "test")]
    built = debiasing.build(
        name, 6, scene if method.uses_aspects else (), **SETTINGS.get(name, {})
    )
    modules = base.Trained(networks.Little(6, K, T // num_clips), built)
    graph, params, stats = train_state.split(modules)

    def objective(params):
        modules = train_state.merge(graph, params, stats)
        key, step = jax.random.key(0), jnp.asarray(0)
        return base.loss(modules, batch_of(method), key=key, step=step)[0]

    gradient = jax.jit(jax.grad(objective), compiler_options=networks.QUICKLY)(params)
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(gradient["model"])])


@pytest.mark.parametrize("name", [name for name in methods.METHODS if name != "sava"])
def test_only_methods_that_act_after_training_train_like_the_baseline(name):
    difference = gradient_of_network(name) - gradient_of_network("baseline")
    same = np.abs(difference).max() < 1e-6
    assert same == (name in AFTER_TRAINING | {"baseline"})


@pytest.mark.parametrize("name", methods.METHODS)
def test_method_that_sees_a_test_set_declares_it(name):
    method = methods.METHODS[name]
    # the bank of stills is of training videos
    trains_on_it = base.UNLABELLED in method.streams and name != "still_mix_bank"
    adapts_to_it = method.adapt is not base.Method.adapt
    assert method.sees_target_data is (trains_on_it or adapts_to_it)


def test_the_method_that_contributing_adds_works_as_it_stands(monkeypatch):
    text = pathlib.Path(__file__).parents[2].joinpath("CONTRIBUTING.md").read_text()
    [code] = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    module = types.ModuleType("confidence_penalty")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(code, module.__dict__)
    [name] = re.findall(r'^ +"confidence_penalty": (.*),$', text, re.M)
    added = {"confidence_penalty": getattr(module, name)}
    monkeypatch.setattr(methods, "METHODS", methods.METHODS | added)
    method = debiasing.build("confidence_penalty", 6, weight=0.1)
    batch, model = batch_of(method), networks.Little(6, K, T)
    video = batch["train"]["video"]
    logits = model(video, train=True).logits
    probabilities = np.asarray(jax.nn.softmax(logits))
    entropy = -(probabilities * np.log(probabilities)).sum(axis=1).mean()
    loss, metrics = method.loss(model, batch, key=jax.random.key(0), step=0)
    assert float(metrics["loss/entropy"]) == pytest.approx(-0.1 * entropy, rel=1e-5)
    total = float(metrics["loss/action"] + metrics["loss/entropy"])
    assert float(loss) == float(metrics["loss"]) == pytest.approx(total, rel=1e-6)
