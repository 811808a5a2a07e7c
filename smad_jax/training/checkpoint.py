"""Saves and restores a run with Orbax; one folder a step.

Each holds the arrays and a small JSON beside them with the position in the data.
The position is a function of seed and step alone, so a run may go on with
another number of devices or processes.
"""

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Iterator, Sequence
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
        # A policy of the newest, not of the best: with `best_fn` Orbax deletes
        # the newest step too, and a resumed run would lose work.
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
        with _full_disk_told():
            try:
                self._manager.wait_until_finished()
            finally:
                self._manager.close()

    def latest_step(self) -> int | None:
        """Returns the newest complete step, or None if there is none."""
        return self._manager.latest_step()

    def save(self, state: train_state.TrainState, position: Position) -> None:
        """Saves in the background what is needed to go on after `state.step`."""
        step = int(state.step)
        if step in self._manager.all_steps():
            return
        with _full_disk_told():  # of this save or of the one before
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

        Args:
            like: A state of the same shapes, placed where the arrays shall go.
            step: Which step to read.

        Raises:
            DataError: if there is no checkpoint, or it holds other arrays.
        """
        step = self.latest_step() if step is None else step
        if step is None:
            raise errors.DataError(
                f"no checkpoint in {self._manager.directory}; train first with "
                "python main.py --config ..."
            )
        target = jax.tree.map(ocp.utils.to_shape_dtype_struct, _as_tree(like))
        # compared first: a restore that fails half way leaves reads behind
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
                state=ocp.args.StandardRestore(target),
                position=ocp.args.JsonRestore(),
            ),
        )
        return train_state.TrainState(**saved["state"]), saved["position"]


@contextlib.contextmanager
def _full_disk_told() -> Iterator[None]:
    """Turns what TensorStore says of a full disk into what the system said."""
    try:
        yield
    except ValueError as error:
        for number in errors.FULL_DISK:
            if (told := os.strerror(number)) in str(error):
                raise OSError(number, told, "the checkpoint") from error
        raise


def read_trained(folder: pathlib.Path) -> tuple[int, Arrays, Arrays]:
    """Returns the newest step with its parameters and batch statistics, by flat path.

    As NumPy arrays: neither the devices of the run nor its optimiser need be here.

    Args:
        folder: The `checkpoints` folder of a run.

    Raises:
        DataError: if there is no checkpoint, or it is damaged.
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
            wanted = ocp.args.PyTreeRestore(restore_args=plain)
            found = manager.restore(step, args=ocp.args.Composite(state=wanted))
        except PermissionError:
            raise  # there may be nothing wrong with the checkpoint
        except (ValueError, LookupError, OSError, AttributeError) as error:
            raise errors.DataError(
                f"the checkpoint of step {step} in {folder} is damaged ({error}); "
                f"remove {folder / str(step)} and run the same training again, which "
                "goes on from the one before"
            ) from error
    saved = found["state"]
    return step, flatten(saved["params"]), flatten(saved["batch_stats"])


def flatten(tree: Any) -> dict[str, Any]:
    """Returns the leaves of a tree by their paths, as `head/kernel`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {path_of(keys): leaf for keys, leaf in leaves}


def path_of(keys: Sequence[Any]) -> str:
    """Returns the path that the keys to a leaf make, as `head/kernel`."""
    return jax.tree_util.keystr(tuple(keys), simple=True, separator="/")


def shapes(tree: Any) -> Shapes:
    """Returns the shape of every array of a tree, by its path."""
    return {path: tuple(leaf.shape) for path, leaf in flatten(tree).items()}


def differing(ours: Shapes, theirs: Shapes) -> list[str]:
    """Returns the sorted paths of arrays that only one has, or in another shape."""
    return sorted(p for p in ours | theirs if ours.get(p) != theirs.get(p))


def _as_tree(state: train_state.TrainState) -> dict[str, Any]:
    """Returns the state's fields as a dict, which is how they are named on disk."""
    names = (field.name for field in dataclasses.fields(state))
    return {name: getattr(state, name) for name in names}
