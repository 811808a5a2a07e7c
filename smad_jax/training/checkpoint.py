"""Saves and restores a run with Orbax; one folder a step.

Each holds the arrays and a small JSON with the position in the data. The position is a
function of seed and step alone, so a run can resume with another number of devices or
processes. The digests of all files are saved with them, and verified before they are
read.
"""

import contextlib
import dataclasses
import os
import pathlib
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils
from orbax.checkpoint import checkpoint_managers

from smad_jax import errors
from smad_jax.training import digests, log, train_state

Position = dict[str, Any]
Arrays = dict[str, np.ndarray]
Shapes = dict[str, tuple[int, ...]]
# What Orbax and TensorStore raise for files that are cut short, changed or missing.
_DAMAGE = (ValueError, LookupError, OSError, AttributeError, TypeError)


class DamagedError(errors.DataError):
    """A checkpoint is not what was saved; the message names the one before."""


class Checkpoints:
    """The checkpoints of one run; the newest ones are kept.

    Use as a context manager: leaving it waits for the last save, and raises if
    that save failed.
    """

    def __init__(self, folder: pathlib.Path, keep: int = 2) -> None:
        # The newest, not the best: with `best_fn` Orbax deletes the newest step too,
        # and a run that resumes would lose work. Two: a damaged one has another before.
        self._manager = ocp.CheckpointManager(
            folder.absolute(),
            handler_registry=_with_digests(),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=checkpoint_managers.LatestN(keep)
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

    def wait(self) -> None:
        """Waits for the save in the background; raises if it failed."""
        with _full_disk_named():
            self._manager.wait_until_finished()

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

    def check(self) -> None:
        """Raises the error of the last save if it failed in the background."""
        # Not Orbax's check_for_errors: its own thread has taken the error by then.
        if not self._manager.is_saving_in_progress():
            with _full_disk_named():
                self._manager.wait_until_finished()

    def restore(
        self, like: train_state.TrainState, step: int | None = None
    ) -> tuple[train_state.TrainState, Position]:
        """Returns a saved state, the newest unless `step` is given.

        `like` is a state of the same shapes, placed where the arrays should be placed.
        Raises DataError if there is no checkpoint, or it holds other arrays, and
        DamagedError if it is damaged.
        """
        step = self.latest_step() if step is None else step
        folder = pathlib.Path(self._manager.directory)
        if step is None:
            raise errors.DataError(
                f"no checkpoint in {folder}; train first with python main.py --config "
                "..."
            )
        target = jax.tree.map(ocp.utils.to_shape_dtype_struct, _as_tree(like))
        with _damage_named(folder, step, self._manager.all_steps()):
            # By every process: each reads the files for itself.
            _verify(folder / str(step))
            theirs = shapes(self._manager.item_metadata(step).state)
            if not theirs:
                raise ValueError("its list of arrays is missing")
        # Compared first: a restore that fails half way leaves reads behind.
        if different := differing(shapes(target), theirs):
            raise errors.DataError(
                f"the checkpoint of step {step} in {folder} does not fit this config's "
                f"model, method or optimiser: {len(different)} arrays differ, "
                f"{', '.join(different[:3])} among them"
            )
        with _damage_named(folder, step, self._manager.all_steps()):
            saved = self._manager.restore(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardRestore(target),
                    position=ocp.args.JsonRestore(),
                ),
            )
        return train_state.TrainState(**saved["state"]), saved["position"]

    def restore_undamaged(
        self, like: train_state.TrainState
    ) -> tuple[train_state.TrainState, Position]:
        """Returns the newest state that is not damaged, as `restore` does.

        Newer ones are renamed `damaged-STEP`, so that training can save theirs again.
        """
        while True:
            try:
                return self.restore(like)
            except DamagedError as error:
                # To begin again at step 0 is a decision for the user.
                if len(self._manager.all_steps()) == 1:
                    raise
                log.logger.warning(f"{error}: set aside")
                self._set_aside(self._manager.all_steps()[-1])

    def _set_aside(self, step: int) -> None:
        folder = pathlib.Path(self._manager.directory)
        if jax.process_index() == 0:
            place = folder / f"damaged-{step}"
            shutil.rmtree(place, ignore_errors=True)  # of an earlier damage
            (folder / str(step)).rename(place)
        if jax.process_count() > 1:
            # All read the same files, and must see them renamed before the next step.
            multihost_utils.sync_global_devices(f"set aside {step}")
        self._manager.reload()


def _with_digests() -> ocp.handlers.CheckpointHandlerRegistry:
    """Returns Orbax's handlers of the two parts, made to write digests."""
    registry = ocp.handlers.DefaultCheckpointHandlerRegistry()
    # Orbax finds the handler of an argument by its class, and knows only its own.
    state, position = digests.StandardHandler(), digests.JsonHandler()
    for args in (ocp.args.StandardSave, ocp.args.StandardRestore):
        registry.add("state", args, state)
    for args in (ocp.args.JsonSave, ocp.args.JsonRestore):
        registry.add("position", args, position)
    return registry


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


def _verify(folder: pathlib.Path) -> None:
    """Raises ValueError if the files of a step are not those that were saved."""
    faults = [digests.fault(folder / name) for name in ("state", "position")]
    if fault := next(filter(None, faults), None):
        raise ValueError(fault)
    if None in faults:
        log.logger.warning(
            f"{folder} has no digests, as an earlier version saved it; damage to it "
            "may go unnoticed"
        )


@contextlib.contextmanager
def _damage_named(
    folder: pathlib.Path, step: int, steps: Sequence[int]
) -> Iterator[None]:
    """Turns the errors of a damaged checkpoint into one that states how to resume."""
    try:
        yield
    except PermissionError:
        raise  # there may be nothing wrong with the checkpoint
    except _DAMAGE as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        older = max((other for other in steps if other < step), default=None)
        advice = (
            "it is the only one, so the run must be trained again in another folder"
            if older is None
            else "the training command with --skip_damaged sets it aside and resumes "
            f"from step {older}"
        )
        raise DamagedError(
            f"the checkpoint of step {step} in {folder} is damaged ({reason}); {advice}"
        ) from error


def read_trained(folder: pathlib.Path) -> tuple[int, Arrays, Arrays]:
    """Returns the newest step with its parameters and batch statistics, by flat path.

    They are the average of a run with `training.ema`. `folder` is the `checkpoints` of
    a run. Raises DataError if it has no checkpoint, or a damaged one.
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
        with _damage_named(folder, step, manager.all_steps()):
            _verify(folder / str(step))
            tree = manager.item_metadata(step)["state"].tree
            plain = jax.tree.map(
                lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree
            )
            # NumPy arrays: a run's devices, and its optimiser, need not exist here.
            arguments = ocp.args.PyTreeRestore(restore_args=plain)
            found = manager.restore(step, args=ocp.args.Composite(state=arguments))
    saved = found["state"]
    network = saved.get("average") or saved
    return step, flatten(network["params"]), flatten(network["batch_stats"])


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
    tree = {name: getattr(state, name) for name in names}
    # Left out if empty: older checkpoints do not have it.
    return tree if state.average else {k: v for k, v in tree.items() if k != "average"}
