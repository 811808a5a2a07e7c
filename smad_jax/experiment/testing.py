"""A network run over splits as a run's settings say: its test sets, or any others."""

import contextlib
import dataclasses
import functools
from collections.abc import Generator

import jax
import numpy as np
from flax import nnx

from smad_jax.data import bad_videos, catalog, pipeline, selection
from smad_jax.evaluation import predict, watch
from smad_jax.experiment.settings import Settings
from smad_jax.methods import base
from smad_jax.training import progress


def predict_split(
    settings: Settings,
    predictor: predict.Predictor,
    split: catalog.Split,
    bad: bad_videos.BadVideos,
) -> tuple[predict.Predictions, predict.Examples]:
    """Adapts the network to a split and returns its predictions of every video."""
    open_batches = functools.partial(test_batches, settings, split, bad)
    # For each set: a method may take statistics of the very videos it is tested on.
    predictor.adapt(open_batches)
    # Closed here after an error too: its threads would outlive the prediction.
    with contextlib.closing(open_batches()) as batches:
        return predictor.run(batches, np.asarray(split.ids), split.labels)


def test_batches(
    settings: Settings, split: catalog.Split, bad: bad_videos.BadVideos
) -> Generator[pipeline.TestBatch]:
    """Yields this process's share of a split, seen as at test, and shows progress."""
    processes = jax.process_count()
    name = "/".join(filter(None, (split.dataset, split.name)))
    with pipeline.test_batches(
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
    batches = pipeline.test_batches(
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
