import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from smad_jax.models import densenet, labellers, recognizer
from smad_jax.torch_weights import names, networks
from smad_jax.training import train_state

SMALL = densenet.Spec(depths=(1, 3, 1, 2), growth=6, stem_width=8, bottleneck=3)
B, T, H, W, Z = 2, 3, 67, 74, 5


def small():
    make = densenet.layers.Factory(nnx.Rngs(0))
    return recognizer.Recognizer(densenet.DenseNet(make, SMALL), Z, make)


@functools.partial(nnx.jit, static_argnames="train")
def run(model, video, train=False):
    return model(video, train=train)


def test_densenet161_has_the_published_number_of_parameters():
    build = functools.partial(labellers.build_labeller, "densenet161", 1000)
    module = nnx.eval_shape(lambda: build(rngs=nnx.Rngs(0)))
    _, params, _ = train_state.split(module)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 28_681_000
    assert module.backbone.width == 2208
    assert module.backbone.seam_width == 1056


def test_frames_of_a_clip_are_seen_one_by_one():
    model = small()
    video = jax.random.normal(jax.random.key(0), (1, T, 40, 48, 3))
    whole = run(model, video).feature_map
    parts = [run(model, video[:, t : t + 1]).feature_map for t in range(T)]
    np.testing.assert_allclose(whole, jnp.concatenate(parts, axis=1), atol=1e-5)


def test_a_transition_averages_pairs_and_leaves_an_odd_row():
    transition = densenet.Transition(1, 1, make=densenet.layers.Factory(nnx.Rngs(0)))
    transition.conv.kernel[...] = jnp.ones((1, 1, 1, 1, 1))
    x = jnp.arange(15.0).reshape(1, 1, 3, 5, 1)
    scale = 1 / np.sqrt(1 + 1e-5)
    expected = np.array([[(0 + 1 + 5 + 6) / 4, (2 + 3 + 7 + 8) / 4]]) * scale
    found = transition(x, train=False)
    np.testing.assert_allclose(found[0, 0, :, :, 0], expected, rtol=1e-6)


def test_training_moves_the_running_statistics():
    model = small()
    video = jax.random.normal(jax.random.key(0), (B, 1, 40, 48, 3))
    run(model, video, train=True)
    assert np.abs(model.backbone.denseblock2.denselayer3.norm2.mean[...]).max() > 0


def torch_block(nn, width, depth):
    inner = SMALL.bottleneck * SMALL.growth
    layers = nn.ModuleDict()
    for number in range(depth):
        layers[f"denselayer{number + 1}"] = nn.ModuleDict(
            {
                "norm1": nn.BatchNorm2d(width),
                "conv1": nn.Conv2d(width, inner, 1, bias=False),
                "norm2": nn.BatchNorm2d(inner),
                "conv2": nn.Conv2d(inner, SMALL.growth, 3, padding=1, bias=False),
            }
        )
        width += SMALL.growth
    return layers, width


def torch_network(nn):
    """Modules with torchvision's names; `torch_forward` runs them."""
    width = SMALL.stem_width
    features = nn.ModuleDict(
        {
            "conv0": nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
            "norm0": nn.BatchNorm2d(width),
        }
    )
    for number, depth in enumerate(SMALL.depths, start=1):
        features[f"denseblock{number}"], width = torch_block(nn, width, depth)
        if number < 4:
            features[f"transition{number}"] = nn.ModuleDict(
                {
                    "norm": nn.BatchNorm2d(width),
                    "conv": nn.Conv2d(width, width // 2, 1, bias=False),
                }
            )
            width //= 2
    features["norm5"] = nn.BatchNorm2d(width)
    return nn.ModuleDict({"features": features, "classifier": nn.Linear(width, Z)})


def torch_forward(torch, module, x):
    part, functional = module["features"], torch.nn.functional
    x = functional.max_pool2d(part["norm0"](part["conv0"](x)).relu(), 3, 2, 1)
    for number in range(1, 5):
        for layer in part[f"denseblock{number}"].values():
            y = layer["conv1"](layer["norm1"](x).relu())
            x = torch.cat([x, layer["conv2"](layer["norm2"](y).relu())], 1)
        if number < 4:
            transition = part[f"transition{number}"]
            x = transition["conv"](transition["norm"](x).relu())
            x = functional.avg_pool2d(x, 2)
    return module["classifier"](part["norm5"](x).relu().mean(dim=(2, 3)))


def test_logits_are_those_of_the_same_network_in_pytorch():
    torch = pytest.importorskip("torch")
    module = torch_network(torch.nn).eval()
    graph, params, batch_stats = train_state.split(nnx.eval_shape(small))
    rng = np.random.default_rng(0)
    arrays = {
        path: np.float32(np.abs(rng.normal(1, 0.3, array.shape)))
        if path.endswith(("scale", "var"))
        else np.float32(rng.normal(0, 0.2, array.shape))
        for path, array in networks.flatten(params, batch_stats).items()
    }
    loaded = module.state_dict()
    theirs = names.translate(arrays, "densenet")
    counted = {name for name in loaded if not name.endswith("num_batches_tracked")}
    assert set(theirs.values()) == counted
    for path, name in theirs.items():
        array = arrays[path]
        if array.ndim == 5:
            array = array[0].transpose(3, 2, 0, 1)
        loaded[name].copy_(torch.from_numpy(array.T if array.ndim == 2 else array))
    model = train_state.merge(graph, *networks.unflatten(arrays))
    images = rng.standard_normal((B, 1, H, W, 3), np.float32)
    channels_first = torch.from_numpy(images[:, 0].transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        expected = torch_forward(torch, module, channels_first).numpy()
    found = run(model, jnp.asarray(images)).logits
    limit = 2e-5 * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=limit)
