import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from smad_jax.models import layers, resnet
from smad_jax.torch_weights import networks as flat
from smad_jax.training import train_state
from tests.golden import draws, settings
from tests.helpers import networks

torch = pytest.importorskip("torch")
torch_models = pytest.importorskip("tests.helpers.torch_models")

K = 5


def _video(shape):
    return np.random.default_rng(1).standard_normal(shape)


@pytest.mark.parametrize("key", networks.SMALL, ids=" ".join)
def test_gradients_and_running_statistics_equal_those_of_torch(key):
    name, shortcut = key
    video, label = _video((3, 4, 37, 42, 3)), np.array([1, 4, 0])
    with jax.enable_x64(True):
        graph, params, stats = networks.drawn(lambda: networks.small(key, K))

        @functools.partial(jax.jit, compiler_options=networks.QUICKLY)
        def step(params, video):
            def loss(params):
                module = train_state.merge(graph, params, stats)
                logits = module(video, train=True).logits
                chosen = jax.nn.log_softmax(logits)[jnp.arange(3), label]
                return -chosen.mean(), train_state.batch_stats_of(module)

            return jax.value_and_grad(loss, has_aux=True)(params)

        (loss, new_stats), gradients = step(params, video)
        found = flat.flatten(gradients, new_stats)
    backbone = torch_models.SMALL_BACKBONES[name](shortcut=shortcut)
    reference = torch_models.Recognizer(backbone, K, settings.SMALL_SAAR_WIDTH)
    reference.double().train()
    torch_models.load(reference, draws.weights)
    expected = torch.nn.functional.cross_entropy(
        reference(torch_models.to_video(video)), torch.from_numpy(label)
    )
    expected.backward()
    np.testing.assert_allclose(loss, expected.item(), rtol=1e-10)
    wanted = dict(torch_models.our_gradients(reference))
    assert wanted.keys() == found.keys()
    for path, array in wanted.items():
        tolerance = 1e-9 * (np.abs(array).max() + 1e-3)
        np.testing.assert_allclose(found[path], array, rtol=1e-9, atol=tolerance)


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
    spec = networks.SMALL["slowonly", "B"]
    network = resnet.ResNet(spec, layers.Factory(nnx.Rngs(0)))
    x = jnp.abs(jnp.asarray(_video((2, 3, 6, 5, 4)), jnp.float32))
    block = network.layer1[0]
    np.testing.assert_allclose(block(x, train=True), x)
    np.testing.assert_array_equal(block.bn1.scale[...], np.ones(4))


@pytest.mark.parametrize(("name", "length"), [("slowonly", 16), ("hara", 1)])
def test_slowonly_keeps_time_and_hara_strides_it(name, length):
    def shapes():
        make = layers.Factory(nnx.Rngs(0))
        network = resnet.ResNet(networks.SMALL[name, "B"], make)
        before = network.before_seam(jnp.zeros((1, 16, 32, 32, 3)), train=False)
        assert before.shape[-1] == network.seam_width == 8
        assert network.width == 10
        return network.after_seam(before, train=False)

    assert jax.eval_shape(shapes).shape == (1, length, 1, 1, 10)
