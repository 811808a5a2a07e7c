"""One run: opened, trained, fitted and tested. Read `train_and_test` from the top."""

import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Mapping
from typing import NamedTuple

import jax
import ml_collections
import numpy as np
from flax import nnx

from smad_jax import methods
from smad_jax.data import catalog
from smad_jax.evaluation import accuracy, predict
from smad_jax.experiment import (
    build,
    memory,
    run_labels,
    run_record,
    splits,
    streams,
    testing,
)
from smad_jax.experiment.settings import Settings
from smad_jax.methods import base
from smad_jax.training import (
    checkpoint,
    log,
    loop,
    sharding,
    stepping,
    tracing,
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


class Tested(NamedTuple):
    """The predictions of a test set, and its metrics by name, 0 to 1."""

    predictions: predict.Predictions
    scores: dict[str, float]


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
    run, state = open_run(settings, folder)
    with checkpoint.Checkpoints(folder / "checkpoints") as checkpoints:
        resumed = checkpoints.latest_step()
        if resumed is not None:
            restore = (
                checkpoints.restore_undamaged if skip_damaged else checkpoints.restore
            )
            state, _ = restore(state)
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
        log.logger.info(build.describe(run.settings, run.splits, run.plan, state))
        if resumed is not None:
            finished = resumed >= run.plan.total_steps
            what = "already finished at" if finished else "resuming from"
            log.logger.info(f"{what} step {resumed}")
        state = train(run, state, checkpoints)
        state = refit(run, state, checkpoints)
    # After the checkpoints are closed: an interrupted test finds all of them saved.
    tested = test(run, state)
    seconds, processor = time.perf_counter() - started, time.process_time()
    # Of a resumed run another process did a part, which this one cannot count.
    alone = resumed is None
    processor_seconds = processor - started_processor if alone else None
    record = _record(run, tested, seconds, processor_seconds)
    if first_process:
        run_record.write_results(folder, record)
    return record.results


def open_run(
    settings: Settings, folder: pathlib.Path
) -> tuple[Run, train_state.TrainState]:
    """Opens the data, builds the network, and returns both with the state of step 0."""
    # Data before the network: missing data is then reported at once.
    opened = splits.open_splits(settings)
    settings = settings.for_videos(len(opened.train))
    mesh = sharding.make_mesh()
    # Not a check of the settings alone: the same config runs on other devices.
    for key, batch_size in settings.data.batch_sizes.items():
        sharding.check_batch_size(batch_size, mesh, key=key)
    plan = build.make_plan(settings, opened.train, folder.name, opened.masked)
    graph, state, train_step = build.build(settings, opened.train, plan, mesh)
    return Run(settings, folder, opened, plan, mesh, graph, train_step), state


def train(
    run: Run, state: train_state.TrainState, checkpoints: checkpoint.Checkpoints
) -> train_state.TrainState:
    """Trains from the state's step to the plan's last, and returns the last state."""
    start = int(state.step)
    # A finished run is tested again without opening a stream or the journal.
    if start >= run.plan.total_steps:
        return state
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

        def save(state: train_state.TrainState) -> None:
            checkpoints.save(state, _position(run, state))
            if look is not None:
                journal.show(int(state.step), "look/actionness", *look(state))

        # Entered one by one: an error on the way closes those that are open.
        opened = {
            name: stack.enter_context(batches)
            for name, batches in streams.open_streams(
                run.settings, run.folder, run.splits, run.plan.order, start
            )
        }
        return loop.run(
            state,
            run.plan,
            train_step=train_step,
            batches=streams.by_turn(opened, run.plan.order, run.mesh),
            # Each step folds its number in, so a resumed run draws what it would have.
            key=jax.random.key(run.settings.seed),
            save=save,
            journal=journal,
        )


def refit(
    run: Run, state: train_state.TrainState, checkpoints: checkpoint.Checkpoints
) -> train_state.TrainState:
    """Fits the trained network to features, if its method does, as one more step."""
    # The fit counts as a step so that its result is the newest checkpoint: readers need
    # no rule for it, and a run that resumes after it does not fit again.
    fitted = int(state.step) > run.plan.total_steps
    if fitted or not methods.find(run.settings.method.name).refits:
        return state
    split = run.splits.held_out
    split = run.splits.train if split is None else split
    predictor = _predictor(run, state)
    found, _ = _predict(run, predictor, split)
    rows = np.flatnonzero(found.probabilities.sum(axis=1))  # the readable videos
    stream = {
        "features": found.features[rows],
        "label": split.labels[rows],
        "aspects": {name: v[rows] for name, v in split.aspect_labels.items()},
        "aspect_mask": {name: v[rows] for name, v in split.aspect_mask.items()},
    }
    # Every process fits to all videos with the same draws, so all get the same arrays.
    params = predictor.refit(stream, rng=np.random.default_rng(run.settings.seed))
    log.logger.info(f"fitted again to features of {len(rows):,} videos")
    state = dataclasses.replace(
        state, step=state.step + 1, params=sharding.replicate(params, run.mesh)
    )
    checkpoints.save(state, _position(run, state))
    return state


def test(run: Run, state: train_state.TrainState) -> dict[str, Tested]:
    """Predicts every test set; saves and logs what came out."""
    predictor, tested = _predictor(run, state), {}
    for name, split in run.splits.tests.items():
        predictions, examples = _predict(run, predictor, split)
        if jax.process_index() == 0:
            predictions.save(run.folder / "predictions" / f"{name}.npz")
            examples.save(run.folder / "predictions" / f"{name}_examples.npz")
        scores = accuracy.summary(
            predictions.probabilities, predictions.labels, predictions.ids
        )
        # The number comes first: accuracies of different numbers do not compare.
        log.logger.info(
            f"{run.folder.name} {name}: "
            f"n_seen {len(predictions.probabilities)} of {len(split)}, "
            f"unreadable {predictions.unreadable} | "
            + " ".join(f"{metric} {value:.1%}" for metric, value in scores.items())
        )
        tested[name] = Tested(predictions, scores)
    return tested


def _record(
    run: Run,
    tested: Mapping[str, Tested],
    seconds: float,
    processor_seconds: float | None,
) -> run_record.Record:
    """Returns what `results.json` stores of the run."""
    predicted = {name: one.predictions for name, one in tested.items()}
    method = methods.find(run.settings.method.name)
    return run_record.Record(
        results={
            f"{name}/{metric}": value
            for name, one in tested.items()
            for metric, value in one.scores.items()
        },
        n_seen={name: len(p.probabilities) for name, p in predicted.items()},
        unreadable={name: p.unreadable for name, p in predicted.items()},
        sees_target_data=method.sees_target_data,
        seed=run.settings.seed,
        seconds=seconds,
        processor_seconds=processor_seconds,
    )


def _predictor(run: Run, state: train_state.TrainState) -> predict.Predictor:
    return predict.Predictor(
        run.graph,
        state.params,
        state.batch_stats,
        view_chunk=run.settings.evaluation.view_chunk,
    )


def _predict(
    run: Run, predictor: predict.Predictor, split: catalog.Split
) -> tuple[predict.Predictions, predict.Examples]:
    bad = streams.watch_for_bad(run.settings.data, run.folder, split)
    return testing.predict_split(run.settings, predictor, split, bad)


def _position(run: Run, state: train_state.TrainState) -> checkpoint.Position:
    """Returns a run's position in the data, to be stored beside its state."""
    # By steps alone, so a run can resume with another number of processes.
    step, seed = int(state.step), run.settings.seed
    return {"step": step, "videos": step * run.plan.batch_size, "seed": seed}
