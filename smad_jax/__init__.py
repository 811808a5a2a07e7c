"""Action recognition that looks at the action instead of the scene, in JAX.

Read in this order: `models/saar.py`, `methods/smad.py`, `training/step.py`,
`training/loop.py`, `experiment.py`.
"""
