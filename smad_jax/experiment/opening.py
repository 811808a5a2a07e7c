"""A run, opened: its settings, data, network and plan, with the state of step 0."""

import dataclasses
import pathlib

import jax
from flax import nnx

from smad_jax.experiment import build, splits
from smad_jax.experiment.settings import Settings
from smad_jax.methods import base
from smad_jax.training import (
    checkpoint,
    loop,
    parameter_layout,
    sharding,
    stepping,
    train_state,
)


@dataclasses.dataclass(frozen=True)
class Run:
    """All of a run that its steps do not change; the state travels beside it."""

    settings: Settings
    folder: pathlib.Path
    splits: splits.Splits
    plan: loop.Plan
    mesh: jax.sharding.Mesh
    graph: nnx.GraphDef[base.Trained]
    train_step: stepping.Step

    def position(self, state: train_state.TrainState) -> checkpoint.Position:
        """Returns the state's position in the data, to be stored beside it."""
        # By steps alone, so a run can resume with another number of processes.
        step, seed = int(state.step), self.settings.seed
        return {"step": step, "videos": step * self.plan.batch_size, "seed": seed}


def open_run(
    settings: Settings, folder: pathlib.Path
) -> tuple[Run, train_state.TrainState]:
    """Opens the data, builds the network, and returns both with the state of step 0."""
    # Data before the network: missing data is then reported at once.
    opened = splits.open_splits(settings)
    settings = settings.for_videos(len(opened.train))
    mesh = parameter_layout.make_mesh(settings.training.model_axis)
    # Not a check of the settings alone: the same config runs on other devices.
    for key, batch_size in settings.data.batch_sizes.items():
        sharding.check_batch_size(batch_size, mesh, key=key)
    plan = build.make_plan(settings, opened.train, folder.name, opened.masked)
    graph, state, train_step = build.build(settings, opened.train, plan, mesh)
    return Run(settings, folder, opened, plan, mesh, graph, train_step), state
