import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from smad_jax.models import convolution

B, T, H, W, C, D = 2, 3, 7, 5, 4, 6

# These programs run once; most of their time would go into compiling them well.
QUICKLY = {"xla_backend_optimization_level": 0}

# kernel, strides and [T, H, W] of the input
CONVOLUTIONS = [
    ((1, 1, 1), (1, 1, 1), (T, H, W)),
    ((1, 1, 1), (1, 2, 2), (T, H, W)),
    ((1, 1, 1), (2, 2, 2), (4, 6, 8)),
    ((3, 1, 1), (1, 1, 1), (T, H, W)),
    ((1, 3, 3), (1, 1, 1), (1, H, W)),
    ((1, 3, 3), (1, 2, 2), (T, 6, 8)),
    ((3, 3, 3), (1, 1, 1), (4, H, W)),
    ((3, 3, 3), (1, 2, 2), (4, 6, 8)),
    ((3, 3, 3), (2, 2, 2), (5, H, W)),
    ((3, 3, 3), (2, 2, 2), (4, 6, 3)),
    ((3, 3, 3), (1, 1, 1), (1, 2, 1)),  # a map smaller than the kernel
    ((1, 5, 5), (1, 2, 2), (T, 8, W)),
    ((7, 7, 7), (1, 2, 2), (4, 8, 9)),
    ((1, 1, 3), (1, 1, 2), (T, H, W)),
]


def _random(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


@pytest.mark.parametrize(("kernel_size", "strides", "size"), CONVOLUTIONS)
def test_formulations_agree_in_value_and_gradient(kernel_size, strides, size):
    with jax.enable_x64(True):
        x, kernel = _random(B, *size, C), _random(*kernel_size, C, D, seed=1)

        @functools.partial(jax.jit, compiler_options=QUICKLY)
        def results(x, kernel):
            return [
                jax.value_and_grad(
                    lambda x, k, form=form: jnp.sum(
                        jnp.sin(convolution.convolve(x, k, strides, formulation=form))
                    ),
                    argnums=(0, 1),
                )(x, kernel)
                for form in ("direct", "fold", "im2col", None)
            ]

        direct, *others = results(x, kernel)
        for other in others:
            for expected, got in zip(
                jax.tree.leaves(direct), jax.tree.leaves(other), strict=True
            ):
                assert got.dtype == jnp.float64
                np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10)


def test_frames_of_many_channels_are_summed_not_stacked():
    with jax.enable_x64(True):
        x, kernel = _random(B, T, H, W, 48), _random(3, 1, 3, 48, D, seed=1)

        def result(formulation):
            return jax.vjp(
                functools.partial(convolution.convolve, formulation=formulation),
                x,
                kernel,
            )

        (expected, theirs), (got, ours) = result("direct"), result("fold")
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10)
        for one, other in zip(ours(got), theirs(got), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("formulation", ["direct", "fold", "im2col"])
def test_padding_is_half_a_kernel_on_both_sides_at_stride_two(formulation):
    x = _random(1, 4, 6, 8, 1)
    delta = jnp.zeros((3, 3, 3, 1, 1)).at[1, 1, 1].set(1)
    got = convolution.convolve(x, delta, (2, 2, 2), formulation=formulation)
    # SAME padding would pick the odd positions of an even axis
    np.testing.assert_allclose(got, x[:, ::2, ::2, ::2], rtol=1e-6)


@pytest.mark.parametrize("formulation", ["direct", "fold", "im2col"])
def test_a_kernel_of_ones_counts_the_positions_under_it(formulation):
    x, kernel = jnp.ones((1, 2, 3, 4, 1)), jnp.ones((3, 3, 3, 1, 1))
    got = convolution.convolve(x, kernel, formulation=formulation)[0, :, :, :, 0]
    one_frame = np.outer([2, 3, 2], [2, 3, 3, 2])
    np.testing.assert_allclose(got, np.stack([2 * one_frame] * 2))


@pytest.mark.parametrize(
    ("size", "kernel", "strides", "backend", "expected"),
    [
        ((8, 28, 28), (1, 3, 3), (1, 1, 1), "cpu", "fold"),
        ((8, 28, 28), (3, 3, 3), (1, 2, 2), "cpu", "fold"),
        ((8, 28, 28), (1, 1, 1), (1, 2, 2), "cpu", "im2col"),
        ((8, 28, 28), (3, 1, 1), (1, 1, 1), "cpu", "im2col"),
        ((8, 2, 3), (1, 3, 3), (1, 1, 1), "cpu", "im2col"),
        ((16, 9, 9), (1, 3, 3), (1, 1, 1), "cpu", "fold"),
        ((1, 3, 3), (3, 3, 3), (1, 1, 1), "cpu", "im2col"),
        ((8, 4, 4), (3, 3, 3), (1, 2, 2), "cpu", "im2col"),
        ((8, 28, 28), (1, 3, 3), (1, 1, 1), "gpu", "fold"),
        ((8, 2, 2), (1, 1, 1), (1, 2, 2), "tpu", "fold"),
        ((8, 28, 28), (3, 3, 3), (1, 1, 1), "gpu", "direct"),
        ((8, 28, 28), (3, 1, 1), (1, 1, 1), "tpu", "direct"),
    ],
)
def test_formulation_is_chosen_by_shape_and_backend(
    size, kernel, strides, backend, expected
):
    choice = convolution.choose_formulation(
        (B, *size, C), (*kernel, C, D), strides, backend
    )
    assert choice == expected


def test_a_program_for_any_number_of_clips_is_computed_as_for_one():
    (any_number,) = export.symbolic_shape("clips")
    kernel = jnp.zeros((3, 3, 3, 64, 64))

    def program(x):
        return convolution.convolve(x, kernel)

    x = jax.ShapeDtypeStruct((any_number, 4, 8, 8, 64), jnp.float32)
    text = export.export(jax.jit(program))(x).mlir_module()
    assert "stablehlo.dot_general" in text
    assert "stablehlo.convolution" not in text


def test_convolve_says_what_does_not_fit():
    x = jnp.zeros((B, T, H, W, C))
    with pytest.raises(ValueError, match="same C"):
        convolution.convolve(x, jnp.zeros((1, 3, 3, C + 1, D)))
    with pytest.raises(ValueError, match=r"odd extents.*2, 3, 3"):
        convolution.convolve(x, jnp.zeros((2, 3, 3, C, D)))
    with pytest.raises(ValueError, match="unknown formulation 'fft'"):
        convolution.convolve(x, jnp.zeros((1, 3, 3, C, D)), formulation="fft")
