"""Weights of PyTorch models, in and out, without PyTorch.

    python -m smad_jax.torch_weights import CKPT --model NAME --out DIR
    python -m smad_jax.torch_weights export DIR --layout LAYOUT --out FILE.pth
    python -m smad_jax.torch_weights verify CKPT --model NAME

A run starts from such a folder with `initialise`; `load_model` makes a labeller of it.
`inert` and `pickles` open untrusted files; `names` has the tables of names.
"""

from smad_jax.torch_weights.weights import initialise, load_model, load_weights

__all__ = ["initialise", "load_model", "load_weights"]
