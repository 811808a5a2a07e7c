"""Options of XLA for the train step of a network on a CPU.

XLA leaves a part of a program to its library YNNPACK: by default products, sums and
convolutions. Its own gradient of a convolution's kernel takes a half to two thirds of
the library's time, on 16 maps of 28x28x128 17 against 27 ms of a core; its values take
as long, but longer in a stem. So networks of 3x3 kernels keep their convolutions. The
1x1 kernels of bottlenecks are products here, which the library computes faster together
with the element-wise operations around them.

On frames of 224 pixels the first saves 7 % of a step of SlowOnly-R18, the second 32 %
of one of TSN-R50; on frames of less than 112 pixels both cost up to 4 %.
"""

import functools
import os

import jax

from smad_jax.models import resnet

_OPTION = "xla_cpu_experimental_ynn_fusion_type"
_SMALLEST = 112  # pixels of a frame
_LEFT_TO_LIBRARY = {
    "basic": ("INDIVIDUAL_DOT", "REDUCE"),
    "bottleneck": ("INDIVIDUAL_DOT", "REDUCE", "ELTWISE"),
}


def for_train_step(spec: resnet.Spec, size: int, backend: str) -> dict[str, str]:
    """Returns `compiler_options` for `jax.jit` of a train step.

    Empty, which leaves all to XLA, where the backend is no CPU, the frames are small,
    the user has chosen in `XLA_FLAGS`, or this version of XLA lacks the option, which
    is experimental.

    Args:
        spec: Of the network.
        size: Frame height and width in pixels.
        backend: As `jax.default_backend` names it.
    """
    chosen = _OPTION in os.environ.get("XLA_FLAGS", "")
    if backend != "cpu" or size < _SMALLEST or chosen:
        return {}
    kinds = _LEFT_TO_LIBRARY[spec.block]
    options = {_OPTION: ",".join(f"LIBRARY_FUSION_TYPE_{kind}" for kind in kinds)}
    return options if _is_known(options[_OPTION]) else {}


@functools.cache
def _is_known(value: str) -> bool:
    try:
        jax.jit(lambda: 0, compiler_options={_OPTION: value}).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
