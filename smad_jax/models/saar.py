"""Spatial-Aware Actionness Reweighting, SAAR (Sec. 5.1, Fig. 5, Eq. 5).

A small residual stage scores how much each location of a frame has to do with the
action; the feature map is weighted by the scores before the last stage of the backbone.
The scores have no supervision of their own.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from smad_jax.models import convolution, layers, resnet


def reweight(feature_map: jax.Array, actionness: jax.Array) -> jax.Array:
    """Multiplies each location by its share of the frame's actionness (Eq. 5).

    The shares of a frame are a softmax over its H W locations, times H W so that
    they are one on average. A constant actionness therefore changes nothing, and
    neither does adding a constant to a frame's scores.

    Args:
        feature_map: [B, T, H, W, C], F in the paper; so is the result, F'.
        actionness: [B, T, H, W] scores, any real numbers, A in the paper.

    Raises:
        ValueError: if the two differ in [B, T, H, W].
    """
    if actionness.shape != feature_map.shape[:-1]:
        raise ValueError(
            f"expected one score for each location, {feature_map.shape[:-1]}, "
            f"but actionness is {actionness.shape}"
        )
    height, width = actionness.shape[2:]
    # Over a frame, not over the clip, so that frames do not compete; in the dtype of
    # the scores, float32 or wider, as bfloat16 has three digits.
    factor = height * width * jax.nn.softmax(actionness, axis=(2, 3))
    return feature_map * factor[..., None].astype(feature_map.dtype)


class Saar(nnx.Module):
    """Scores every location of a feature map: bottleneck blocks, then a 3x3 head.

    All convolutions span one frame. The paper gives neither width nor depth. With a
    width of 64 and one block, multiplications grow by 1.8 % for TSN and 0.4 % for
    SlowOnly, within the paper's 2 %.
    """

    def __init__(
        self, in_width: int, width: int, make: layers.Factory, *, num_blocks: int = 1
    ):
        self.layer = nnx.List([])
        for _ in range(num_blocks):
            block = resnet.Bottleneck(in_width, width, make=make)
            self.layer.append(block)
            in_width = block.out_width
        self.score = Score(in_width, dtype=make.dtype)

    def __call__(self, feature_map: jax.Array, *, train: bool) -> jax.Array:
        """Maps [B, T, H, W, C] to scores [B, T, H, W], float32 or wider.

        In training batch norm uses and remembers the batch's statistics.
        """
        for block in self.layer:
            feature_map = block(feature_map, train=train)
        return self.score(feature_map)


class Score(nnx.Module):
    """The actionness head: a 3x3 convolution to one channel that starts at zero.

    Attributes:
        kernel: [1, 3, 3, C, 1].
        bias: [1]. The softmax over a frame cancels it; kept to match Fig. 5.
    """

    def __init__(self, in_width: int, *, dtype: str = "float32"):
        kept = layers.parameter_dtype(dtype)
        # Zero is a constant score: training starts with the network without SAAR. The
        # head still learns from the first step, as its input is not zero.
        self.kernel = nnx.Param(jnp.zeros((1, 3, 3, in_width, 1), kept))
        self.bias = nnx.Param(jnp.zeros(1, kept))
        self.dtype = dtype

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [B, T, H, W, C] to [B, T, H, W], float32 or wider."""
        kernel = self.kernel[...].astype(self.dtype)
        score = convolution.convolve(x.astype(self.dtype), kernel)
        return (score + self.bias[...])[..., 0]
