"""Networks: arrays in, arrays out, without data, losses or training.

`build_model` builds any row of `MODELS`. Modules are Flax NNX and hold only
`nnx.Param` and `nnx.BatchStat`; randomness comes in as keys.
"""

import dataclasses

import jax
from flax import nnx

from smad_jax import errors
from smad_jax.models import layers, resnet
from smad_jax.models.recognizer import CHANNELS, Output, Recognizer

__all__ = ["DTYPES", "MODELS", "Output", "Recognizer", "build_model", "native_dtype"]

MODELS = resnet.SPECS
DTYPES = ("float32", "bfloat16", "float64")


def build_model(
    name: str,
    num_classes: int,
    *,
    saar: bool = False,
    saar_width: int | None = None,
    saar_blocks: int = 1,
    shortcut: resnet.Shortcut | None = None,
    dropout: float = 0.0,
    ghost_size: int = 0,
    ghost_statistics: layers.GhostStatistics = "mean",
    dtype: str = "float32",
    remat: layers.Remat = "",
    num_parts: int = 1,
    input: str = "rgb",
    rngs: nnx.Rngs,
) -> Recognizer:
    """Builds the action model called `name` with fresh parameters.

    The same `rngs` give the same parameters with and without SAAR, but for its own.

    Args:
        name: A key of `MODELS`.
        num_classes: K.
        saar: Whether SAAR sits before the last stage (Sec. 5.1).
        saar_width: Its bottleneck width; None takes the model's own.
        saar_blocks: Its number of bottleneck blocks.
        shortcut: Replaces the model's kind of shortcut, see `resnet.Spec`.
        dropout: Probability that a feature is dropped before the action head.
        ghost_size: Videos that share batch statistics; 0 for the whole batch.
        ghost_statistics: What running statistics remember, see `GhostBatchNorm`.
        dtype: What the backbone computes in; the rest is float32, or float64 with
            `float64`, which needs JAX's x64 mode. `auto` is `native_dtype()`.
        remat: `blocks` for residual blocks that are computed again for their gradient.
        num_parts: Parts that a training batch passes the network in, see `parts`.
        input: What it sees of a clip, a key of `recognizer.CHANNELS`.
        rngs: Draws the parameters.

    Raises:
        ConfigError: if the name or dtype is unknown or a number is out of range.
    """
    spec = find(name)
    dtype = native_dtype() if dtype == "auto" else dtype
    _check_known("dtype", dtype, DTYPES)
    _check_known("input", input, tuple(CHANNELS))
    _check_known("ghost_statistics", ghost_statistics, layers.GHOST_STATISTICS)
    _check_known("remat", remat, layers.REMATS)
    _check_numbers(num_classes, dropout, ghost_size)
    if shortcut is not None:
        _check_known("shortcut", shortcut, resnet.SHORTCUTS)
        spec = dataclasses.replace(spec, shortcut=shortcut)
    width = spec.saar_width if saar_width is None else saar_width
    make = layers.Factory(
        rngs, spec.kernel_start, ghost_size, ghost_statistics, dtype, remat
    )
    return Recognizer(
        resnet.ResNet(spec, make, CHANNELS[input]),
        num_classes,
        make,
        saar_width=width if saar else 0,
        saar_blocks=saar_blocks,
        head_scale=spec.head_scale,
        dropout=dropout,
        num_parts=num_parts,
        input=input,
    )


def find(name: str) -> resnet.Spec:
    """Returns the numbers of a network; raises ConfigError for an unknown name."""
    _check_known("model", name, tuple(MODELS))
    return MODELS[name]


def native_dtype() -> str:
    """Returns what a backbone computes in on the devices of this process.

    That is bfloat16 on an accelerator, where it halves the traffic of the memory that a
    step waits for, and float32 on a CPU, which has no products in bfloat16.
    """
    return "float32" if jax.default_backend() == "cpu" else "bfloat16"


def _check_numbers(num_classes: int, dropout: float, ghost_size: int) -> None:
    if not 0 <= dropout < 1:
        raise errors.ConfigError(f"dropout must be in [0, 1), but it is {dropout}")
    if num_classes < 1:
        raise errors.ConfigError(f"num_classes must be positive, not {num_classes}")
    if ghost_size < 0:
        raise errors.ConfigError(f"ghost_size must be at least 0, not {ghost_size}")


def _check_known(kind: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise errors.ConfigError(
            f"unknown {kind} {value!r}; known: {', '.join(sorted(known))}"
        )
