"""The streams of videos that a run learns from: their batches and turns.

The training set's comes first. Beside it there may be web streams, unlabelled videos of
a target, and clips without people. Each is read by itself, as a deterministic function
of seed and step, so that a run can resume at any step.
"""

import pathlib
from collections.abc import Iterator, Mapping

import jax

from smad_jax.data import bad_videos, catalog, masking, order, pipeline, read_ahead
from smad_jax.experiment import splits
from smad_jax.experiment.keys import Data
from smad_jax.experiment.settings import Settings
from smad_jax.methods import base
from smad_jax.training import joint, sharding, stepping


def turn_order(data: Data, without_people: masking.Masked | None) -> joint.Order:
    """Returns whose batches follow those of the training set, and when."""
    # SDN's own order: an update on masked clips after each on training clips.
    if without_people and without_people.turns == "alternate":
        return joint.Order({base.MASKED: joint.Web(1, data.masked_size)})
    return joint.Order(
        {
            name: joint.Web(stream.batches, stream.batch_size)
            for name, stream in data.web.items()
        },
        data.web_every,
    )


def open_streams(
    settings: Settings,
    folder: pathlib.Path,
    opened: splits.Splits,
    turns: joint.Order,
    start: int,
) -> Iterator[tuple[str, read_ahead.Batches[pipeline.Batch]]]:
    """Yields every stream's name and its batches, from those of step `start` on.

    The list of bad videos is kept in `folder`.
    """
    data, masked = settings.data, opened.masked
    sources = {joint.TRAIN: (opened.train, data.batch_size)}
    sources |= {name: (s, data.web[name].batch_size) for name, s in opened.web.items()}
    if opened.target is not None:
        sources[base.UNLABELLED] = opened.target, data.unlabelled_size
    if masked is not None:
        sources[base.MASKED] = masked.split, data.masked_size
    # Streams without turns of their own give a batch with every training batch.
    taken = dict.fromkeys(sources, start) | turns.taken(start)
    for name, (split, batch_size) in sources.items():
        web, seed = data.web.get(name), settings.seed
        yield (
            name,
            pipeline.train_batches(
                split,
                sampling=web.sampling(data.sampling) if web else data.sampling,
                transform=data.transform,
                batch_size=batch_size,
                # Two streams of the same videos must not draw the same order and crops.
                seed=seed if name == joint.TRAIN else order.stream_seed(seed, name),
                start_step=taken[name],
                class_power=web.class_power if web else 1.0,
                process_index=jax.process_index(),
                process_count=jax.process_count(),
                num_threads=data.num_threads,
                num_workers=data.num_workers,
                # Web sets are large: they would fill the memory that the others need.
                cache_mib=0 if web else data.cache_mib,
                limits=data.limits,
                bad_videos=watch_for_bad(data, folder, split),
                paint=masked.paint if masked and name == base.MASKED else None,
            ),
        )


def by_turn(
    streams: Mapping[str, Iterator[pipeline.Batch]],
    turns: joint.Order,
    mesh: jax.sharding.Mesh,
) -> dict[str, Iterator[stepping.Batch]]:
    """Returns the batches of every turn, by the name of its stream.

    Streams without a turn go with the training set's. Methods know `train` by that
    name, whether it is the training set or a web stream.
    """
    own = {name: {joint.TRAIN: streams[name]} for name in (joint.TRAIN, *turns.web)}
    # A masked batch must not be taken for training videos: its loss is another one.
    if base.MASKED in turns.web:
        own[base.MASKED] = {base.MASKED: streams[base.MASKED]}
    own[joint.TRAIN] |= {name: s for name, s in streams.items() if name not in own}
    return {name: _on_devices(together, mesh) for name, together in own.items()}


def _on_devices(
    streams: Mapping[str, Iterator[pipeline.Batch]], mesh: jax.sharding.Mesh
) -> Iterator[stepping.Batch]:
    """Yields global batches of all streams, each with what a method may see of it."""
    # A method cannot learn by mistake from the test set's labels: it never gets them.
    kept = {base.UNLABELLED: ("video",), base.MASKED: ("video", "label")}
    # All are endless, so none ends a step early.
    for batches in zip(*streams.values(), strict=True):
        yield {
            name: sharding.shard({k: batch[k] for k in kept.get(name, batch)}, mesh)
            for name, batch in zip(streams, batches, strict=True)
        }


def watch_for_bad(
    data: Data, folder: pathlib.Path, split: catalog.Split
) -> bad_videos.BadVideos:
    """Returns the count of bad videos in this process's share, with its own file."""
    process = jax.process_index()
    return bad_videos.BadVideos(
        # Processes of a pod may share the folder, and would write into each other.
        folder / f"bad_videos{f'-{process}' if process else ''}.jsonl",
        limit=data.bad_video_limit,
        # The limit is a share, here of the videos that this process reads.
        num_videos=len(split) // jax.process_count(),
        source=f"{split.dataset}/{split.name}",
    )
