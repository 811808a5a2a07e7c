import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from smad_jax import models
from smad_jax.models import recognizer, resnet

torch = pytest.importorskip("torch")
torch_models = pytest.importorskip("tests.torch_models")

K = 5
# These programs run once; most of their time would go into compiling them well.
QUICKLY = {"xla_backend_optimization_level": 0}
TORCH_BACKBONES = {
    (name, "B"): backbone for name, backbone in torch_models.BACKBONES.items()
} | {
    ("resnet3d_18", "A"): functools.partial(
        torch_models.BACKBONES["resnet3d_18"], shortcut="A"
    )
}

_FOUR = {"depths": (1, 2, 1, 1), "widths": (4, 6, 8, 10), "stem_width": 4}
SMALL_SPECS = {
    ("slowonly", "B"): dataclasses.replace(resnet.SPECS["slowonly_r18"], **_FOUR),
    ("bottleneck", "B"): dataclasses.replace(resnet.SPECS["slowonly_r50"], **_FOUR),
} | {
    ("hara", shortcut): dataclasses.replace(
        resnet.SPECS["resnet3d_18"], shortcut=shortcut, **_FOUR
    )
    for shortcut in resnet.SHORTCUTS
}


def _random_state(build):
    """Graph and arrays of what `build` makes, drawn so that no zero hides an error."""
    graph, state = nnx.split(nnx.eval_shape(build))
    rng = np.random.default_rng(0)

    def draw(path, variable):
        drawn = rng.standard_normal(variable.shape)
        if path[-1] == "kernel":
            drawn *= np.sqrt(2 / math.prod(variable.shape[:-1]))
        elif path[-1] in ("scale", "var"):
            drawn = 0.5 + np.abs(drawn)
        return variable.replace(jnp.asarray(drawn, variable.dtype))

    return graph, nnx.map_state(draw, state)


def _arrays(state):
    return {path: leaf[...] for path, leaf in nnx.to_flat_state(state)}


def _video(shape):
    return np.random.default_rng(1).standard_normal(shape)


def _to_torch(video):
    return torch.from_numpy(video.transpose(0, 4, 1, 2, 3).copy())


@pytest.mark.parametrize(("name", "shortcut"), TORCH_BACKBONES)
def test_logits_equal_those_of_torch(name, shortcut):
    with jax.enable_x64(True):
        graph, state = _random_state(
            lambda: models.build_model(
                name, K, saar=True, shortcut=shortcut, dtype="float64", rngs=nnx.Rngs(0)
            )
        )
        saar_width = resnet.SPECS[name].saar_width
        backbone = TORCH_BACKBONES[name, shortcut]()
        reference = torch_models.Recognizer(backbone, K, saar_width).double().eval()
        torch_models.load(reference, _arrays(state))
        video = _video((2, 3, 41, 36, 3))  # odd sizes all the way down
        got = jax.jit(
            lambda state, video: nnx.merge(graph, state)(video, train=False).logits,
            compiler_options=QUICKLY,
        )(state, video)
        with torch.no_grad():
            expected = reference(_to_torch(video)).numpy()
    assert expected.std() > 1e-3
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9 * expected.std())


def _small_pair(name, shortcut):
    """A small network of ours and of torch's with the same random weights."""

    def build():
        backbone = resnet.ResNet(
            SMALL_SPECS[name, shortcut], dtype="float64", rngs=nnx.Rngs(0)
        )
        return recognizer.Recognizer(
            backbone, K, saar_width=3, dtype="float64", rngs=nnx.Rngs(1)
        )

    graph, state = _random_state(build)
    torch_backbone = torch_models.SMALL_BACKBONES[name](shortcut=shortcut)
    reference = torch_models.Recognizer(torch_backbone, K, 3).double().train()
    torch_models.load(reference, _arrays(state))
    return graph, state, reference


@pytest.mark.parametrize(("name", "shortcut"), SMALL_SPECS)
def test_gradients_and_running_statistics_equal_those_of_torch(name, shortcut):
    with jax.enable_x64(True):
        graph, state, reference = _small_pair(name, shortcut)
        video, label = _video((3, 4, 37, 42, 3)), np.array([1, 4, 0])
        params, stats = nnx.split_state(state, nnx.Param, nnx.BatchStat)

        @functools.partial(jax.jit, compiler_options=QUICKLY)
        def step(params, video):
            def loss(params):
                module = nnx.merge(graph, params, stats, copy=True)
                logits = module(video, train=True).logits
                chosen = jax.nn.log_softmax(logits)[jnp.arange(3), label]
                return -chosen.mean(), nnx.state(module, nnx.BatchStat)

            return jax.value_and_grad(loss, has_aux=True)(params)

        (loss, new_stats), gradients = step(params, video)
        expected = torch.nn.functional.cross_entropy(
            reference(_to_torch(video)), torch.from_numpy(label)
        )
        expected.backward()
    np.testing.assert_allclose(loss, expected.item(), rtol=1e-10)
    named = dict(reference.named_parameters())
    for path, leaf in nnx.to_flat_state(gradients):
        want = named.pop(torch_models.torch_name(path)).grad
        got = torch_models.to_torch(leaf[...], want)
        tolerance = 1e-9 * (want.abs().max().item() + 1e-3)
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=tolerance)
    assert not named
    named = dict(reference.named_buffers())
    for path, leaf in nnx.to_flat_state(new_stats):
        want = named[torch_models.torch_name(path)]
        np.testing.assert_allclose(leaf[...], want, rtol=1e-9, atol=1e-12)


def test_a_detached_shortcut_passes_values_and_no_gradient():
    x = jnp.asarray(_video((2, 3, 5, 7, 4)), jnp.float32)

    def value_and_gradient(detached):
        shortcut = resnet.ZeroPad(2, (2, 2, 2), detached=detached)
        return jax.value_and_grad(lambda x: shortcut(x, train=True).sum())(x)

    (attached, gradient), (detached, none) = map(value_and_gradient, (False, True))
    assert attached == detached
    np.testing.assert_array_equal(gradient[:, ::2, ::2, ::2], 1)
    assert gradient.sum() == 2 * 2 * 3 * 4 * 4
    np.testing.assert_array_equal(none, 0)


def test_shortcut_a_takes_every_second_position_and_appends_zeros():
    x = jnp.asarray(_video((2, 3, 5, 7, 4)), jnp.float32)
    y = resnet.ZeroPad(2, (2, 2, 2), detached=False)(x, train=True)
    assert y.shape == (2, 2, 3, 4, 6)
    np.testing.assert_array_equal(y[..., :4], x[:, ::2, ::2, ::2])
    np.testing.assert_array_equal(y[..., 4:], 0)


@pytest.mark.parametrize("name", resnet.SPECS)
def test_only_slowonly_of_the_paper_starts_the_last_scale_of_a_block_at_zero(name):
    expected = 0.0 if name in ("slowonly_r18", "slowonly_r50") else 1.0
    assert resnet.SPECS[name].last_scale == expected


def test_a_block_whose_last_scale_is_zero_starts_as_its_shortcut():
    spec = SMALL_SPECS["slowonly", "B"]
    network = resnet.ResNet(spec, rngs=nnx.Rngs(0))
    x = jnp.abs(jnp.asarray(_video((2, 3, 6, 5, 4)), jnp.float32))
    block = network.layer1[0]
    np.testing.assert_allclose(block(x, train=True), x)
    np.testing.assert_array_equal(block.bn1.scale[...], np.ones(4))


@pytest.mark.parametrize(("name", "length"), [("slowonly", 16), ("hara", 1)])
def test_slowonly_keeps_time_and_hara_strides_it(name, length):
    def shapes():
        network = resnet.ResNet(SMALL_SPECS[name, "B"], rngs=nnx.Rngs(0))
        before = network.before_seam(jnp.zeros((1, 16, 32, 32, 3)), train=False)
        assert before.shape[-1] == network.seam_width == 8
        assert network.width == 10
        return network.after_seam(before, train=False)

    assert jax.eval_shape(shapes).shape == (1, length, 1, 1, 10)
