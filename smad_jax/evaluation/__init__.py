"""From a trained network to predictions, and from predictions to numbers.

Only `predict` and `watch` run a network. Everything else is a NumPy function of stored
predictions and features, which needs no accelerator and no JAX.
"""
