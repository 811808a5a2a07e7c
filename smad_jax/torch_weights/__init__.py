"""Weights of PyTorch models, in and out, without PyTorch.

    python -m smad_jax weights import CKPT --model NAME --out DIR
    python -m smad_jax weights export DIR --layout LAYOUT --out FILE.pth
    python -m smad_jax weights verify CKPT --model NAME

A run starts from such a folder with `initialise`; `load_model` makes a labeller of it.
`inert` and `pickles` open untrusted files; `names` has the tables of names.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smad_jax.torch_weights.weights import initialise, load_model, load_weights

__all__ = ["initialise", "load_model", "load_weights"]


def __getattr__(name: str) -> object:
    # Late, since `names`, which --help lists, is read without waiting for JAX.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("smad_jax.torch_weights.weights"), name)
