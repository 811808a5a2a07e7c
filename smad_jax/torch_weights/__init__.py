"""Weights of PyTorch models, in and out, without PyTorch.

    python -m smad_jax.torch_weights import CKPT --model NAME --out DIR
    python -m smad_jax.torch_weights export DIR --layout LAYOUT --out FILE.pth
    python -m smad_jax.torch_weights verify CKPT --model NAME

A run starts from such a folder with `initialise`; a labeller is a `load_model`. Read
`inert` and `pickles` for how files of strangers are opened, and `names` for which
name goes where.
"""

from smad_jax.torch_weights.weights import initialise, load_model, load_weights

__all__ = ["initialise", "load_model", "load_weights"]
