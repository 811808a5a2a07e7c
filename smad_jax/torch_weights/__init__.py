"""Weights of PyTorch models, in and out, without PyTorch.

    python -m smad_jax weights import CKPT --model NAME --out DIR
    python -m smad_jax weights export DIR --layout LAYOUT --out FILE.pth
    python -m smad_jax weights verify CKPT --model NAME

A run starts from such a folder with `weights.initialise`; `weights.load_model` makes a
labeller of it. `inert` and `pickles` open untrusted files; `names` has the tables of
names.
"""
