"""Saves and restores a run with Orbax; one folder a step.

Each holds the arrays and a small JSON with the position in the data. The position is a
function of seed and step alone, so a run can resume with another number of devices or
processes.
"""

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from smad_jax import errors
from smad_jax.training import train_state

Position = dict[str, int]
Arrays = dict[str, np.ndarray]
Shapes = dict[str, tuple[int, ...]]


class Checkpoints:
    """The checkpoints of one run; the newest two are kept.

    Use as a context manager: leaving it waits for the last save, and raises if
    that save failed.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        # The newest, not the best: with `best_fn` Orbax deletes the newest step too,
        # and a run that resumes would lose work. Two: a damaged one has another before.
        self._manager = ocp.CheckpointManager(
            folder.absolute(),
            item_handlers={
                "state": ocp.StandardCheckpointHandler(),
                "position": ocp.JsonCheckpointHandler(),
            },
            options=ocp.CheckpointManagerOptions(
                preservation_policy=checkpoint_managers.LatestN(2)
            ),
        )

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *unused: object) -> None:
        with _full_disk_named():
            try:
                self._manager.wait_until_finished()
            finally:
                self._manager.close()

    def latest_step(self) -> int | None:
        """Returns the newest complete step, or None if there is none."""
        return self._manager.latest_step()

    def save(self, state: train_state.TrainState, position: Position) -> None:
        """Saves in the background what is needed to resume after `state.step`."""
        step = int(state.step)
        # Orbax raises for a step that it has.
        if step in self._manager.all_steps():
            return
        with _full_disk_named():  # during this save or the one before
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(_as_tree(state)),
                    position=ocp.args.JsonSave(position),
                ),
            )

    def restore(
        self, like: train_state.TrainState, step: int | None = None
    ) -> tuple[train_state.TrainState, Position]:
        """Returns a saved state, the newest unless `step` is given.

        `like` is a state of the same shapes, placed where the arrays should be placed.
        Raises DataError if there is no checkpoint, or it holds other arrays.
        """
        step = self.latest_step() if step is None else step
        if step is None:
            raise errors.DataError(
                f"no checkpoint in {self._manager.directory}; train first with "
                "python main.py --config ..."
            )
        target = jax.tree.map(ocp.utils.to_shape_dtype_struct, _as_tree(like))
        # Compared first: a restore that fails half way leaves reads behind.
        saved_as = self._manager.item_metadata(step).state
        if different := differing(shapes(target), shapes(saved_as)):
            raise errors.DataError(
                f"the checkpoint of step {step} in {self._manager.directory} does "
                f"not fit this config's model, method or optimiser: {len(different)} "
                f"arrays differ, {', '.join(different[:3])} among them"
            )
        saved = self._manager.restore(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardRestore(target), position=ocp.args.JsonRestore()
            ),
        )
        return train_state.TrainState(**saved["state"]), saved["position"]


@contextlib.contextmanager
def _full_disk_named() -> Iterator[None]:
    """Turns TensorStore's error for a full disk into the system's own."""
    try:
        yield
    except ValueError as error:
        # It has no errno, only the system's words somewhere in its message.
        for number in errors.FULL_DISK:
            if (words := os.strerror(number)) in str(error):
                raise OSError(number, words, "the checkpoint") from error
        raise


def read_trained(folder: pathlib.Path) -> tuple[int, Arrays, Arrays]:
    """Returns the newest step with its parameters and batch statistics, by flat path.

    `folder` is the `checkpoints` of a run. Raises DataError if it has no checkpoint, or
    a damaged one.
    """
    with ocp.CheckpointManager(
        folder.absolute(),
        item_handlers={
            "state": ocp.PyTreeCheckpointHandler(),
            "position": ocp.JsonCheckpointHandler(),
        },
    ) as manager:
        step = manager.latest_step() if folder.is_dir() else None
        if step is None:
            raise errors.DataError(
                f"no checkpoint in {folder}; train first with python main.py --config "
                "..."
            )
        try:
            tree = manager.item_metadata(step)["state"].tree
            plain = jax.tree.map(
                lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree
            )
            # NumPy arrays: a run's devices, and its optimiser, need not exist here.
            arguments = ocp.args.PyTreeRestore(restore_args=plain)
            found = manager.restore(step, args=ocp.args.Composite(state=arguments))
        except PermissionError:
            raise  # there may be nothing wrong with the checkpoint
        except (ValueError, LookupError, OSError, AttributeError) as error:
            raise errors.DataError(
                f"the checkpoint of step {step} in {folder} is damaged ({error}); "
                f"remove {folder / str(step)} and run the same training again, which "
                "resumes from the one before"
            ) from error
    saved = found["state"]
    return step, flatten(saved["params"]), flatten(saved["batch_stats"])


def flatten(tree: object) -> dict[str, Any]:
    """Returns the leaves of a tree by their paths, as `head/kernel`."""
    # Not flax's flatten_dict: it takes neither the numbers of lists of layers as keys
    # nor the named tuples of an optimiser's state.
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {path_of(keys): leaf for keys, leaf in leaves}


def path_of(keys: jax.tree_util.KeyPath) -> str:
    """Returns the path of the keys to a leaf, as `head/kernel`."""
    return jax.tree_util.keystr(keys, simple=True, separator="/")


def shapes(tree: object) -> Shapes:
    """Returns the shape of every array of a tree, by its path."""
    return {path: tuple(leaf.shape) for path, leaf in flatten(tree).items()}


def differing(ours: Shapes, theirs: Shapes) -> list[str]:
    """Returns the sorted paths of arrays that only one has, or in another shape."""
    return sorted(p for p in ours | theirs if ours.get(p) != theirs.get(p))


def _as_tree(state: train_state.TrainState) -> dict[str, Any]:
    """Returns the state's fields as a dict, under their names on disk."""
    # Not dataclasses.asdict, which would copy every array.
    names = (field.name for field in dataclasses.fields(state))
    return {name: getattr(state, name) for name in names}
