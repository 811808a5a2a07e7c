import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from smad_jax import errors, models
from smad_jax.models import layers

# Parameters and running statistics of the reference, measured there.
PARAMETERS = [
    ("slowonly_r18", 200, {}, 31_922_952),
    ("slowonly_r18", 400, {}, 32_025_552),
    ("resnet50", 200, {}, 23_917_832),
    ("resnet50", 1000, {}, 25_557_032),
    ("resnet50", 365, {}, 24_255_917),
    ("resnet18", 365, {}, 11_363_757),
    ("resnet18", 1000, {}, 11_689_512),
    ("resnet3d_18", 200, {"shortcut": "A"}, 33_132_680),
    ("resnet3d_18", 200, {"shortcut": "A detached"}, 33_132_680),
    ("resnet3d_18", 200, {"shortcut": "B"}, 33_306_504),
    ("resnet3d_18", 200, {}, 33_306_504),
    ("slowonly_tiny", 10, {}, 115_674),
    ("slowonly_tiny", 10, {"saar": True}, 115_674 + 1_473),
    ("slowonly_small", 10, {}, 1_970_090),
]
STATISTICS = {"slowonly_r18": 9_600, "resnet50": 53_120}

# Multiplications of convolutions and matrices for [T, H, W], in units of 1e9.
MULTIPLICATIONS = [
    ("slowonly_r18", {}, (8, 224, 224), 27.456),
    ("slowonly_r18", {}, (8, 256, 256), 35.861),
    ("slowonly_r18", {}, (8, 112, 112), 7.611),
    ("resnet50", {}, (3, 224, 224), 12.26),
    ("resnet50", {}, (1, 224, 224), 4.087),
    ("resnet18", {}, (1, 224, 224), 1.814),
    ("resnet3d_18", {"shortcut": "A"}, (16, 112, 112), 8.296),
    ("resnet3d_18", {"shortcut": "B"}, (16, 112, 112), 8.308),
]


def _abstract(name, num_classes=200, **settings):
    """The split model as shapes; no array is drawn."""
    model = nnx.eval_shape(
        lambda: models.build_model(name, num_classes, rngs=nnx.Rngs(0), **settings)
    )
    return nnx.split(model, nnx.Param, nnx.BatchStat)


def _size(state):
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state))


def _count(jaxpr):
    """Multiplications of a jaxpr's convolutions and matrix products."""
    total = 0
    for equation in jaxpr.eqns:
        out = math.prod(equation.outvars[0].aval.shape)
        if equation.primitive.name == "conv_general_dilated":
            numbers = equation.params["dimension_numbers"]
            kernel = equation.invars[1].aval.shape
            total += out * math.prod(kernel) // kernel[numbers.rhs_spec[0]]
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shape = equation.invars[0].aval.shape
            total += out * math.prod(shape[axis] for axis in contracted)
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                total += _count(inner)
    return total


def _multiplications(name, size, **settings):
    graph, params, stats = _abstract(name, **settings)
    video = jax.ShapeDtypeStruct((1, *size, 3), jnp.uint8)
    jaxpr = jax.make_jaxpr(
        lambda params, stats, video: (
            nnx.merge(graph, params, stats)(video, train=False).logits
        )
    )(params, stats, video)
    return _count(jaxpr.jaxpr)


@pytest.mark.parametrize(("name", "num_classes", "settings", "expected"), PARAMETERS)
def test_number_of_parameters_is_the_references(name, num_classes, settings, expected):
    _, params, _ = _abstract(name, num_classes, **settings)
    assert _size(params) == expected


@pytest.mark.parametrize("name", STATISTICS)
def test_number_of_running_statistics_is_the_references(name):
    assert _size(_abstract(name)[2]) == STATISTICS[name]


@pytest.mark.parametrize(("name", "settings", "size", "expected"), MULTIPLICATIONS)
def test_number_of_multiplications_is_the_references(name, settings, size, expected):
    got = _multiplications(name, size, **settings) / 1e9
    assert got == pytest.approx(expected, abs=10 ** -len(str(expected).split(".")[1]))


@pytest.mark.parametrize(
    ("name", "size", "added"),
    [("slowonly_r18", (8, 224, 224), 0.113), ("resnet50", (3, 224, 224), 0.225)],
)
def test_saar_adds_no_more_than_the_paper_allows(name, size, added):
    plain = _multiplications(name, size)
    with_saar = _multiplications(name, size, saar=True)
    assert (with_saar - plain) / 1e9 == pytest.approx(added, abs=1e-3)
    assert with_saar / plain < 1.022


@pytest.mark.parametrize(
    ("saar", "size"), [(False, (1, 32, 32)), (True, (3, 37, 51)), (True, (17, 20, 112))]
)
@pytest.mark.parametrize("name", models.MODELS)
def test_every_model_takes_odd_sizes_and_any_number_of_frames(name, saar, size):
    graph, params, stats = _abstract(name, 7, saar=saar, ghost_size=2)
    video = jax.ShapeDtypeStruct((4, *size, 3), jnp.uint8)
    output = jax.eval_shape(
        lambda params, stats, video: nnx.merge(graph, params, stats, copy=True)(
            video, train=True
        ),
        params,
        stats,
        video,
    )
    assert output.logits.shape == (4, 7)
    assert output.logits.dtype == jnp.float32
    strides = {"resnet3d_18": 16, "resnet3d_tiny": 4, "resnet3d_small": 4}
    time = -(-size[0] // strides.get(name, 1))
    assert output.feature_map.shape[:2] == (4, time)
    assert (output.actionness is not None) == saar


def test_the_same_seed_gives_the_same_parameters_with_and_without_saar():
    plain, with_saar = (
        dict(
            nnx.to_flat_state(
                nnx.state(
                    models.build_model(
                        "slowonly_tiny", 10, saar=saar, rngs=nnx.Rngs(4)
                    ),
                    nnx.Param,
                )
            )
        )
        for saar in (False, True)
    )
    assert plain.keys() < with_saar.keys()
    for path, leaf in plain.items():
        np.testing.assert_array_equal(leaf[...], with_saar[path][...])


def test_every_batch_norm_gets_the_ghost_settings():
    model = nnx.eval_shape(
        lambda: models.build_model(
            "slowonly_tiny",
            10,
            saar=True,
            ghost_size=3,
            ghost_statistics="first",
            rngs=nnx.Rngs(0),
        )
    )
    norms = [
        module
        for _, module in nnx.iter_modules(model)
        if isinstance(module, layers.GhostBatchNorm)
    ]
    assert len(norms) == 1 + 3 * 2 + 2 + 3  # stem, blocks, shortcuts, SAAR
    assert {(n.ghost_size, n.ghost_statistics) for n in norms} == {(3, "first")}


@pytest.mark.parametrize(
    ("name", "gain"), [("slowonly_tiny", "pytorch"), ("slowonly_r18", "kaiming")]
)
def test_every_kernel_starts_as_its_network_says(name, gain):
    model = models.build_model(name, 10, saar=True, rngs=nnx.Rngs(0))
    ratios = []
    for _, module in nnx.iter_modules(model):
        if isinstance(module, layers.Conv) and module.kernel.size > 1000:
            *window, in_width, width = module.kernel.shape
            fan = 2 / width if gain == "kaiming" else 1 / (3 * in_width)
            expected = math.sqrt(fan / math.prod(window))
            ratios.append(float(module.kernel[...].std()) / expected)
    assert len(ratios) > 5
    np.testing.assert_allclose(ratios, 1, atol=0.1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "slowonly_r34"}, "unknown model 'slowonly_r34'; known: resnet18"),
        ({"dtype": "float16"}, "unknown dtype 'float16'; known: bfloat16"),
        ({"shortcut": "C"}, "unknown shortcut 'C'; known: A, A detached, B"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), but it is 1.0"),
        ({"num_classes": 0}, "num_classes must be positive, not 0"),
        ({"ghost_statistics": "last"}, "ghost_statistics 'last'; known: first, mean"),
        ({"ghost_size": -1}, "ghost_size must be at least 0, not -1"),
    ],
)
def test_what_cannot_be_built_is_named(settings, message):
    arguments = {"name": "resnet18", "num_classes": 10} | settings
    with pytest.raises(errors.ConfigError, match=message):
        models.build_model(**arguments, rngs=nnx.Rngs(0))


@pytest.mark.parametrize(
    ("platform", "expected"),
    [("cpu", "float32"), ("gpu", "bfloat16"), ("tpu", "bfloat16")],
)
def test_automatic_dtype_is_that_of_the_devices(platform, expected, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    model = models.build_model("slowonly_tiny", 3, dtype="auto", rngs=nnx.Rngs(0))
    assert model.dtype == expected
    assert model.head.kernel[...].dtype == jnp.float32
