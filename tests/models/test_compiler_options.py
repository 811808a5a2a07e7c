import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smad_jax.models import compiler_options, convolution, resnet

BASIC, BOTTLENECK = resnet.SPECS["slowonly_r18"], resnet.SPECS["resnet50"]


@pytest.fixture(autouse=True)
def no_flags(monkeypatch):
    jax.devices()  # after this, flags that tests have set have no effect
    monkeypatch.setenv("XLA_FLAGS", "")
    yield
    compiler_options._is_known.cache_clear()


def gradients(x, kernel):
    def total(x, kernel):
        return (convolution.convolve(x, kernel) ** 2).sum()

    return jax.grad(total, argnums=(0, 1))(x, kernel)


def test_a_network_of_large_kernels_keeps_its_convolutions_from_the_library():
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(2, 4, 14, 14, 32)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(1, 3, 3, 32, 32)), jnp.float32)
    options = compiler_options.for_train_step(BASIC, 224, "cpu")
    usual, chosen = (
        jax.jit(gradients, compiler_options=given).lower(x, kernel).compile()
        for given in ({}, options)
    )
    # The library's are computations of their own, called from the main one.
    own, main = chosen.as_text().split("\nENTRY ")
    assert " convolution(" in usual.as_text().split("\nENTRY ")[0]
    assert " convolution(" not in own and " convolution(" in main
    for expected, found in zip(usual(x, kernel), chosen(x, kernel), strict=True):
        scale = float(jnp.abs(expected).max())
        np.testing.assert_allclose(expected, found, rtol=0, atol=1e-5 * scale)


def test_bottlenecks_leave_element_wise_operations_to_the_library():
    def block(x, matrix):
        return jnp.maximum(x @ matrix, 0) * 0.5 + x

    x, matrix = jnp.ones((4096, 64)), jnp.ones((64, 64))
    options = compiler_options.for_train_step(BOTTLENECK, 224, "cpu")
    compiled = jax.jit(block, compiler_options=options).lower(x, matrix).compile()
    own, main = compiled.as_text().split("\nENTRY ")
    assert "ynn_fusion" in main
    assert " dot(" in own and " maximum(" in own


@pytest.mark.parametrize(
    ("size", "backend"), [(224, "tpu"), (224, "gpu"), (56, "cpu"), (32, "cpu")]
)
def test_other_devices_and_small_frames_have_no_options(size, backend):
    assert compiler_options.for_train_step(BASIC, size, backend) == {}


def test_what_the_user_chose_stays(monkeypatch):
    flags = "--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_DOT"
    monkeypatch.setenv("XLA_FLAGS", flags)
    assert compiler_options.for_train_step(BASIC, 224, "cpu") == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [("_OPTION", "xla_cpu_no_option"), ("_LEFT_TO_LIBRARY", {"basic": ("NOTHING",)})],
)
def test_a_compiler_without_the_option_is_not_given_it(monkeypatch, name, value):
    monkeypatch.setattr(compiler_options, name, value)
    assert compiler_options.for_train_step(BASIC, 224, "cpu") == {}
