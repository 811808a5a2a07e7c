"""From a trained network to predictions, and from predictions to numbers.

Only `predict` runs a network. Everything else is a NumPy function of the
predictions that it saved, to be repeated without an accelerator.
"""
