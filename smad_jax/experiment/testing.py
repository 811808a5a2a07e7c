"""What follows training: the last layer fitted again, the tests, and the record.

A network is run over a split as a run's settings say, its test sets or any others.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Generator, Iterator, Mapping
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx

from smad_jax import methods
from smad_jax.data import bad_videos, catalog, selection, views
from smad_jax.evaluation import accuracy, predict, watch
from smad_jax.experiment import opening, run_record, streams
from smad_jax.experiment.settings import Settings
from smad_jax.methods import base
from smad_jax.training import (
    averaging,
    checkpoint,
    log,
    parameter_layout,
    progress,
    sharding,
    train_state,
)


class Tested(NamedTuple):
    """The predictions of a test set, and its metrics by name, 0 to 1."""

    predictions: predict.Predictions
    scores: dict[str, float]


def refit(
    run: opening.Run,
    state: train_state.TrainState,
    checkpoints: checkpoint.Checkpoints,
    position: checkpoint.Position,
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
    found = _predict(run, predictor, split)
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
    placed = sharding.place(params, parameter_layout.layout(params, run.mesh))
    state = averaging.with_tested(state, placed)
    state = dataclasses.replace(state, step=state.step + 1)
    checkpoints.save(state, position | run.position(state))
    return state


def test(run: opening.Run, state: train_state.TrainState) -> dict[str, Tested]:
    """Predicts every test set; saves and logs what came out."""
    tested = {}
    for name, one in predict_sets(run, state):
        predictions, tested[name] = one.predictions, one
        if jax.process_index() == 0:
            predictions.save(run.folder / "predictions" / f"{name}.npz")
        # The number comes first: accuracies of different numbers do not compare. Who
        # watches the run gets the closing table.
        log.logger.info(
            f"{run.folder.name} {name}: n_seen {len(predictions.probabilities)} of "
            f"{len(run.splits.tests[name])}, unreadable {predictions.unreadable} | "
            + " ".join(f"{metric} {v:.1%}" for metric, v in one.scores.items()),
            extra={"for_file": True},
        )
    return tested


def predict_sets(
    run: opening.Run, state: train_state.TrainState
) -> Iterator[tuple[str, Tested]]:
    """Yields the name of every test set with what came out."""
    predictor = _predictor(run, state)
    for name, split in run.splits.tests.items():
        found = _predict(run, predictor, split)
        scores = accuracy.summary(found.probabilities, found.labels, found.ids)
        yield name, Tested(found, scores)


def by_name(tested: Mapping[str, Tested]) -> dict[str, float]:
    """Returns the metrics of all test sets, named `set/metric`."""
    return {
        f"{name}/{metric}": value
        for name, one in tested.items()
        for metric, value in one.scores.items()
    }


def record(
    run: opening.Run,
    tested: Mapping[str, Tested],
    seconds: float,
    processor_seconds: float | None,
    skipped_steps: int,
) -> run_record.Record:
    """Returns what `results.json` stores of the run."""
    predicted = {name: one.predictions for name, one in tested.items()}
    method, settings = methods.find(run.settings.method.name), run.settings
    # A bank of stills is of training videos; whoever makes one of a test set sees it.
    places = filter(None, settings.evaluation.sets.values())  # empty: switched off
    target = settings.data.target in places
    return run_record.Record(
        results=by_name(tested),
        n_seen={name: len(p.probabilities) for name, p in predicted.items()},
        unreadable={name: p.unreadable for name, p in predicted.items()},
        sees_target_data=method.sees_target_data or target,
        seed=run.settings.seed,
        seconds=seconds,
        processor_seconds=processor_seconds,
        skipped_steps=skipped_steps,
    )


def _predictor(run: opening.Run, state: train_state.TrainState) -> predict.Predictor:
    return predict.Predictor(
        run.graph,
        *averaging.tested(state),
        view_chunk=run.settings.evaluation.view_chunk,
    )


def _predict(
    run: opening.Run, predictor: predict.Predictor, split: catalog.Split
) -> predict.Predictions:
    bad = streams.watch_for_bad(run.settings.data, run.folder, split)
    return predict_split(run.settings, predictor, split, bad)


def predict_split(
    settings: Settings,
    predictor: predict.Predictor,
    split: catalog.Split,
    bad: bad_videos.BadVideos,
) -> predict.Predictions:
    """Adapts the network to a split and returns its predictions of every video."""
    open_batches = functools.partial(test_batches, settings, split, bad)
    # For each set: a method may take statistics of the very videos it is tested on.
    predictor.adapt(open_batches)
    # Closed here after an error too: its threads would outlive the prediction.
    with contextlib.closing(open_batches()) as batches:
        return predictor.run(batches, np.asarray(split.ids), split.labels)


def test_batches(
    settings: Settings, split: catalog.Split, bad: bad_videos.BadVideos
) -> Generator[views.TestBatch]:
    """Yields this process's share of a split, seen as at test, and shows progress."""
    processes = jax.process_count()
    name = "/".join(filter(None, (split.dataset, split.name)))
    with views.test_batches(
        split,
        sampling=settings.data.sampling,
        transform=settings.data.transform,
        # The config's number is a process's own, however many there are.
        batch_size=settings.evaluation.batch_size * processes,
        process_index=jax.process_index(),
        process_count=processes,
        num_threads=settings.data.num_threads,
        limits=settings.data.limits,
        bad_videos=bad,
    ) as batches:
        yield from progress.through(batches, name, batches.num_videos or 0)


def watch_training_videos(
    settings: Settings, graph: nnx.GraphDef[base.Trained], train: catalog.Split
) -> watch.Watch | None:
    """Returns what shows the actionness of a few training videos; None without SAAR."""
    count = settings.training.watch_videos
    if not (settings.model.saar and count) or jax.process_index() > 0:
        return None
    few = selection.few_videos(train, count)
    # With 0 views each video has a number of its own, and a batch holds one video only.
    frames = settings.data.sampling
    frames = dataclasses.replace(frames, test_views=frames.test_views or 1)
    batches = views.test_batches(
        few,
        sampling=frames,
        transform=settings.data.transform,
        batch_size=len(few),
        num_threads=settings.data.num_threads,
        limits=settings.data.limits,
        # Training itself reports unreadable videos; here they are only left out.
        bad_videos=bad_videos.BadVideos(None, limit=1.0, num_videos=len(few)),
    )
    batch = next(iter(batches))
    clips = batch["video"][batch["mask"] & ~batch["unreadable"], 0]
    return watch.Watch(graph, clips) if len(clips) else None
