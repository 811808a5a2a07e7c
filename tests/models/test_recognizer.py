import functools
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from smad_jax import models
from smad_jax.data import sampling
from smad_jax.models import layers, recognizer
from tests.golden import make_sampling as golden

B, T, H, W, K = 2, 3, 32, 28, 10


@pytest.fixture(scope="module")
def video():
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.integers(0, 256, (B, T, H, W, 3)), jnp.uint8)


def _tiny(**settings):
    return models.build_model("slowonly_tiny", K, rngs=nnx.Rngs(0), **settings)


# These programs run once; most of their time would go into compiling them well.
@functools.partial(
    jax.jit,
    static_argnums=(0, 3),
    compiler_options={"xla_backend_optimization_level": 0},
)
def _apply(graph, state, video, train, key):
    return nnx.merge(graph, state, copy=True)(video, train=train, key=key)


def _run(model, video, *, train, key=None):
    """The output of a compiled pass; the model keeps its statistics."""
    return _apply(*nnx.split(model), video, train, key)


def test_pixels_are_normalised_on_the_device(video):
    model = _tiny()
    mean = np.array([123.675, 116.28, 103.53])
    std = np.array([58.395, 57.12, 57.375])
    floats = jnp.asarray((np.asarray(video) - mean) / std, jnp.float32)
    got = _run(model, video, train=False).logits
    np.testing.assert_allclose(got, _run(model, floats, train=False).logits, rtol=2e-4)


class _Pixels(nnx.Module):
    """A backbone that hands on what it is given."""

    width = seam_width = 3

    def before_seam(self, x, *, train):
        return x

    after_seam = before_seam


def _seen(video, input):
    """What the backbone is given of a video."""
    factory = layers.Factory(nnx.Rngs(0))
    pixels = _Pixels()
    pixels.width = recognizer.CHANNELS[input]
    model = recognizer.Recognizer(pixels, K, factory, input=input)
    return np.asarray(_run(model, video, train=False).feature_map)


def test_differences_are_those_of_each_pair_of_normalised_frames(video):
    pairs = jnp.concatenate([video, video[:, ::-1]], axis=1)  # [B, 2 T, H, W, 3]
    frames = np.asarray(pairs, np.float64)
    std = np.array([58.395, 57.12, 57.375])
    expected = np.stack([frames[:, t + 1] - frames[:, t] for t in (0, 2, 4)], 1) / std
    found = _seen(pairs, "difference")
    np.testing.assert_allclose(found, expected, atol=1e-5)
    both = _seen(pairs, "rgb+difference")
    np.testing.assert_array_equal(both[..., :3], _seen(pairs[:, ::2], "rgb"))
    np.testing.assert_array_equal(both[..., 3:], found)


def test_a_still_clip_has_no_differences(video):
    assert not _seen(jnp.repeat(video[:, :1], 2 * T, axis=1), "difference").any()


def test_differences_need_an_even_number_of_frames(video):
    with pytest.raises(ValueError, match="pairs of frames, but the video has 3"):
        _seen(video, "difference")


def test_networks_see_what_the_sampling_can_give():
    assert set(typing.get_args(sampling.Input)) == set(recognizer.CHANNELS)


@pytest.mark.parametrize("name", ["slowonly_r18", "resnet50", "resnet3d_18"])
def test_every_network_takes_differences(name):
    model = nnx.eval_shape(
        lambda: models.build_model(name, K, input="rgb+difference", rngs=nnx.Rngs(0))
    )
    clip = jax.ShapeDtypeStruct((1, 32, H, W, 3), jnp.uint8)
    output = nnx.eval_shape(lambda m, x: m(x, train=False), model, clip)
    assert output.logits.shape == (1, K)
    assert model.backbone.conv1.kernel.shape[-2] == 6


@pytest.mark.parametrize("line", golden.LINES)
def test_normalised_pixels_are_within_one_last_place_of_the_references(line):
    values = np.arange(256, dtype=np.uint8).repeat(3).reshape(256, 1, 1, 1, 3)
    model = recognizer.Recognizer(_Pixels(), K, layers.Factory(nnx.Rngs(0)))
    got = _run(model, jnp.asarray(values), train=False).feature_map
    with np.load(golden.FILE) as arrays:
        expected = arrays[f"{line}/normalised"]
    np.testing.assert_array_max_ulp(np.asarray(got).reshape(256, 3), expected, maxulp=1)


def test_output_holds_what_its_docstring_says(video):
    output = _run(_tiny(saar=True), video, train=False)
    assert output.logits.shape == (B, K)
    assert output.features.shape == (B, 64)
    assert output.feature_map.shape == (B, T, 4, 4, 64)
    assert output.actionness.shape == (B, T, 8, 7)
    np.testing.assert_allclose(
        output.features, output.feature_map.mean((1, 2, 3)), rtol=1e-5
    )
    assert _run(_tiny(), video, train=False).actionness is None


@pytest.mark.parametrize("train", [False, True])
def test_saar_starts_as_the_plain_network(video, train):
    plain = _run(_tiny(), video, train=train)
    with_saar = _run(_tiny(saar=True), video, train=train)
    np.testing.assert_array_equal(with_saar.actionness, 0)
    for name in ("logits", "features", "feature_map"):
        np.testing.assert_allclose(
            getattr(with_saar, name), getattr(plain, name), rtol=1e-4, atol=1e-6
        )


def test_logits_are_the_mean_over_frames_of_a_network_of_images():
    model = models.build_model("resnet18", K, rngs=nnx.Rngs(0))
    frames = jax.random.normal(jax.random.key(0), (1, T, 33, 35, 3))
    together = _run(model, frames, train=False).logits
    single = _run(model, frames.reshape(T, 1, 33, 35, 3), train=False).logits
    np.testing.assert_allclose(together[0], single.mean(0), rtol=1e-3, atol=1e-5)


def test_dropout_acts_on_the_logits_alone_and_only_in_training(video):
    model = _tiny(dropout=0.5)
    key = jax.random.key(1)
    tested = _run(model, video, train=False)
    np.testing.assert_array_equal(
        tested.logits, _run(model, video, train=False, key=key).logits
    )
    one, again, other = (
        _run(model, video, train=True, key=k) for k in (key, key, jax.random.key(2))
    )
    np.testing.assert_array_equal(one.logits, again.logits)
    np.testing.assert_array_equal(one.features, other.features)
    assert np.abs(one.logits - other.logits).max() > 1e-6
    with pytest.raises(ValueError, match=r"dropout 0\.5 needs a key"):
        model(video, train=True)


def test_dropout_scales_what_it_keeps(video):
    model = _tiny(dropout=0.75)
    features = _run(model, video, train=False).features
    model.head.kernel[...] = jnp.eye(64, K)
    logits = _run(model, video, train=True, key=jax.random.key(3)).logits
    factors = (
        logits / _run(model, video, train=True, key=jax.random.key(3)).features[:, :K]
    )
    assert features.min() >= 0
    np.testing.assert_allclose(np.unique(np.round(factors, 4)), [0, 4])


def test_bfloat16_computes_narrow_and_answers_wide(video):
    wide, narrow = _tiny(saar=True), _tiny(saar=True, dtype="bfloat16")
    output = _run(narrow, video, train=True)
    assert output.feature_map.dtype == jnp.bfloat16
    for x in (output.logits, output.features, output.actionness):
        assert x.dtype == jnp.float32
    for leaf in jax.tree.leaves(nnx.state(narrow)):
        assert leaf.dtype == jnp.float32
    expected = _run(wide, video, train=True)
    np.testing.assert_allclose(output.features, expected.features, rtol=0.1, atol=0.02)


def test_wrong_videos_are_named(video):
    model = _tiny()
    with pytest.raises(ValueError, match=r"\[B, T, H, W, 3\].*\(3, 32, 28, 3\)"):
        model(video[0], train=False)
    with pytest.raises(ValueError, match=r"is \(2, 3, 32, 28, 2\)"):
        model(video[..., :2], train=False)
    with pytest.raises(ValueError, match="but it is int32"):
        model(video.astype(jnp.int32), train=False)


def test_split_into_parameters_and_statistics_is_total(video):
    graph, params, stats = nnx.split(
        _tiny(saar=True, dropout=0.5), nnx.Param, nnx.BatchStat
    )
    paths = {
        "/".join(map(str, path))
        for state in (params, stats)
        for path, _ in nnx.to_flat_state(state)
    }
    assert {
        "backbone/conv1/kernel",
        "backbone/bn1/mean",
        "backbone/layer1/0/conv1/kernel",
        "backbone/layer3/0/bn2/var",
        "backbone/layer3/0/downsample/conv/kernel",
        "backbone/layer3/0/downsample/bn/scale",
        "saar/layer/0/conv3/kernel",
        "saar/score/bias",
        "head/kernel",
        "head/bias",
    } <= paths

    @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def step(params, stats, video):
        def loss(params):
            module = nnx.merge(graph, params, stats, copy=True)
            output = module(video, train=True, key=jax.random.key(0))
            _, _, new = nnx.split(module, nnx.Param, nnx.BatchStat)
            return output.logits[:, 0].sum(), nnx.to_pure_dict(new)

        return jax.grad(loss, has_aux=True)(params)

    gradients, new_stats = step(
        nnx.to_pure_dict(params), nnx.to_pure_dict(stats), video
    )
    assert np.abs(gradients["head"]["kernel"]).max() > 0
    moved = new_stats["backbone"]["layer1"][0]["bn1"]["mean"]
    assert np.abs(moved).max() > 0


def test_mean_and_deviation_are_those_of_imagenet():
    np.testing.assert_allclose(
        np.array(recognizer.PIXEL_MEAN) / 255, [0.485, 0.456, 0.406]
    )
    np.testing.assert_allclose(
        np.array(recognizer.PIXEL_STD) / 255, [0.229, 0.224, 0.225]
    )
