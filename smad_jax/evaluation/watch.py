"""Actionness of a few fixed clips while a network is trained.

One forward pass of a few clips at every checkpoint, on this process's own device: cheap
enough to be always on, and the first place to look when actionness collapses.
"""

from typing import NamedTuple

import jax
import numpy as np
from flax import nnx

from smad_jax.evaluation import cam
from smad_jax.methods import base
from smad_jax.training import averaging, parameter_layout, train_state

_SIDE = 112  # pixels of a picture, at least


class Seen(NamedTuple):
    """The network's actionness of the clips at one step.

    Attributes:
        actionness: [n, t, h, w] H W A', 1 on average over each frame.
        pictures: [n, side, side, 3] uint8, the middle frame of each clip under it.
    """

    actionness: np.ndarray
    pictures: np.ndarray


class Watch:
    """Computes the actionness of the same clips repeatedly; needs SAAR."""

    def __init__(self, graph: nnx.GraphDef[base.Trained], clips: np.ndarray) -> None:
        """Stores [n, T, H, W, 3] uint8 clips; compiles at the first call."""
        self._clips = clips

        def scores(arrays, clips):
            modules = train_state.merge(graph, *arrays)
            return modules.model(clips, train=False, key=None).actionness

        self._scores = jax.jit(scores)

    def __call__(self, state: train_state.TrainState) -> Seen:
        """Returns the actionness of the network in `state`."""
        arrays = parameter_layout.local(averaging.tested(state))
        actionness = cam.actionness(np.asarray(self._scores(arrays, self._clips)))
        num_frames, height, width = self._clips.shape[1:4]
        middle = num_frames // 2
        larger = -(-_SIDE // min(height, width))
        frames = self._clips[:, middle].repeat(larger, 1).repeat(larger, 2)
        pictures = []
        for frame, maps in zip(frames, actionness, strict=True):
            shown = cam.stretched(maps, num_frames)[middle, None]
            heat = cam.relative(shown, *frame.shape[:2])
            pictures.append(cam.overlay(frame[None], heat, "weight")[0])
        return Seen(actionness, np.stack(pictures))
