"""One run: opened, trained, fitted and tested. Read `train_and_test` from the top."""

import contextlib
import pathlib
import time

import jax
import ml_collections

from smad_jax.experiment import (
    description,
    memory,
    opening,
    run_labels,
    run_record,
    streams,
    testing,
    validation,
)
from smad_jax.experiment.settings import Settings
from smad_jax.training import checkpoint, log, loop, tracing, train_state


def train_and_test(
    config: ml_collections.ConfigDict,
    folder: pathlib.Path,
    *,
    force: bool = False,
    skip_damaged: bool = False,
) -> dict[str, float]:
    """Trains if there is training left to do, tests, and writes `results.json`.

    Args:
        config: From a file in `configs/`.
        folder: Of the run; training resumes from its newest checkpoint.
        force: Continue even if the folder holds a run of another config.
        skip_damaged: Resume from the newest checkpoint that is not damaged.

    Returns:
        Metrics named `set/metric`, accuracies between 0 and 1.

    Raises:
        UserError: for anything that the user can correct.
    """
    started, started_processor = time.perf_counter(), time.process_time()
    settings = Settings.read(config)
    first_process = jax.process_index() == 0
    # First of all: a mistaken folder has cost nothing yet.
    if first_process and not force:
        run_record.check_owner(folder, config)
    run, state = opening.open_run(settings, folder)
    with checkpoint.Checkpoints(folder / "checkpoints") as checkpoints:
        resumed, position = checkpoints.latest_step(), {}
        if resumed is not None:
            restore = (
                checkpoints.restore_undamaged if skip_damaged else checkpoints.restore
            )
            state, position = restore(state)
            resumed = int(state.step)
        else:  # before the folder is claimed, which is then still free
            train_split, step = run.splits.train, run.train_step
            memory.check(run.settings, train_split, state, step, run.mesh)
        # Only a restored checkpoint proves that this config fits the folder's run: with
        # `force`, a config that does not fit must not replace the one that does.
        if first_process:
            run_record.claim(folder, config)
            classes, aspects = run.splits.train.classes, run.splits.train.aspects
            run_labels.write(folder, run_labels.Labels(classes, aspects))
        log.logger.info(description.describe(run.settings, run.splits, run.plan, state))
        if resumed is not None:
            finished = resumed >= run.plan.total_steps
            what = "already finished at" if finished else "resuming from"
            log.logger.info(f"{what} step {resumed}")
        state, position = train(run, state, checkpoints, position)
        state = testing.refit(run, state, checkpoints, position)
    # After the checkpoints are closed: an interrupted test finds all of them saved.
    tested = testing.test(run, state)
    seconds, processor = time.perf_counter() - started, time.process_time()
    # Of a resumed run another process did a part, which this one cannot count.
    alone = resumed is None
    processor_seconds = processor - started_processor if alone else None
    skipped = position.get("log", {}).get("skipped", 0)
    record = testing.record(run, tested, seconds, processor_seconds, skipped)
    if first_process:
        run_record.write_results(folder, record)
    return record.results


def train(
    run: opening.Run,
    state: train_state.TrainState,
    checkpoints: checkpoint.Checkpoints,
    position: checkpoint.Position,
) -> tuple[train_state.TrainState, checkpoint.Position]:
    """Trains from the state's step to the plan's last; returns state and position."""
    start = int(state.step)
    # A finished run is tested again without opening a stream or the journal.
    finished = start >= run.plan.total_steps
    if finished and validation.is_complete(run):
        return state, position
    look = testing.watch_training_videos(run.settings, run.graph, run.splits.train)
    with contextlib.ExitStack() as stack:
        # Of a pod one process writes; metrics are means over the global batch.
        first_process = jax.process_index() == 0
        journal = log.Journal(
            run.folder if first_process else None,
            start,
            wandb_project=run.settings.training.wandb,
        )
        stack.callback(journal.close)
        train_step = stack.enter_context(
            tracing.traced(run.train_step, run.plan, run.folder / "tensorboard", start)
        )
        validate = stack.enter_context(validation.opened(run, journal, start))
        validate(state)  # unless that was done before the run was stopped
        if finished:
            return state, position

        def save(state: train_state.TrainState, saved: log.Saved) -> None:
            nonlocal position
            position = run.position(state) | {"log": saved}
            checkpoints.save(state, position)
            if look is not None:
                journal.show(int(state.step), "look/actionness", *look(state))
            validate(state)

        # Entered one by one: an error on the way closes those that are open.
        opened = {
            name: stack.enter_context(batches)
            for name, batches in streams.open_streams(
                run.settings, run.folder, run.splits, run.plan.order, start
            )
        }
        state = loop.run(
            state,
            run.plan,
            train_step=train_step,
            batches=streams.by_turn(opened, run.plan.order, run.mesh),
            # Each step folds its number in, so a resumed run draws what it would have.
            key=jax.random.key(run.settings.seed),
            save=save,
            journal=journal,
            check=checkpoints.check,
            saved=position.get("log"),
        )
    return state, position
