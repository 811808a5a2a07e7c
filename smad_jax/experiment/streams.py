"""The streams of videos that a run learns from: their batches, sizes and turns.

The training set's comes first. Beside it there may be web streams, unlabelled videos of
a target, and clips without people; each is read by itself, and all are deterministic
functions of seed and step, so that a run can go on anywhere.
"""

import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import jax

from smad_jax.data import bad_videos, catalog, masking, order, people, pipeline, web
from smad_jax.experiment import splits
from smad_jax.methods import base
from smad_jax.training import joint, loop, sharding, stepping

Config = Any  # an ml_collections.ConfigDict, of whose values no checker knows


def batch_sizes(config: Config) -> dict[str, int]:
    """Returns the global batch size of every stream, by its key in the config."""
    streams = web.read_streams(config.data.web)
    sizes = {"data.batch_size": config.data.batch_size}
    if config.data.target:
        sizes["data.target_batch_size"] = _target_batch_size(config)
    if config.data.masked:
        sizes["data.masked.batch_size"] = _masked_batch_size(config)
    return sizes | {
        f"data.web.{name}.batch_size": stream.batch_size
        for name, stream in streams.items()
    }


def _masked_batch_size(config: Config) -> int:
    """Returns how many videos without people a batch has; 0 where there are none."""
    stream = masking.MaskedStream.from_config(config.data.masked)
    return (stream.batch_size or config.data.batch_size) if stream else 0


def _target_batch_size(config: Config) -> int:
    """Returns how many unlabelled videos a step sees, where the method wants some."""
    return config.data.target_batch_size or config.data.batch_size


def turn_order(config: Config, without_people: masking.Masked | None) -> joint.Order:
    """Returns whose batches follow those of the training set, and when."""
    if without_people and without_people.turns == "alternate":
        return joint.Order({base.MASKED: joint.Web(1, _masked_batch_size(config))})
    return joint.Order(
        {
            name: joint.Web(stream.batches, stream.batch_size)
            for name, stream in web.read_streams(config.data.web).items()
        },
        config.data.web_every,
    )


def open_streams(
    config: Config,
    workdir: pathlib.Path,
    sources: Mapping[str, catalog.Split],
    plan: loop.Plan,
    start: int,
    paint: people.Paint | None = None,
) -> Iterator[tuple[str, pipeline.Batches[pipeline.Batch]]]:
    """Yields every stream's name and its batches, from those of step `start` on.

    Args:
        config: Of the run.
        workdir: Its folder, for the list of bad videos.
        sources: The split of each stream, by its name.
        plan: Of the run.
        start: Steps on the training set that were done before.
        paint: What takes people out of the clips of `base.MASKED`.
    """
    webs = web.read_streams(config.data.web)
    sizes = {
        joint.TRAIN: config.data.batch_size,
        base.UNLABELLED: _target_batch_size(config),
        base.MASKED: _masked_batch_size(config),
    }
    taken = dict.fromkeys(sizes, start) | plan.order.taken(start)
    for name, split in sources.items():
        stream = webs.get(name)
        sampling, seed = config.data.sampling, config.seed
        yield (
            name,
            pipeline.train_batches(
                split,
                sampling=stream.sampling(sampling) if stream else sampling,
                transform=config.data.transform,
                batch_size=stream.batch_size if stream else sizes[name],
                seed=seed if name == joint.TRAIN else order.stream_seed(seed, name),
                start_step=taken[name],
                class_power=stream.class_power if stream else 1.0,
                process_index=jax.process_index(),
                process_count=jax.process_count(),
                num_threads=config.data.num_threads,
                num_workers=config.data.num_workers,
                # web sets are large; the memory is for the others
                cache_mib=0 if stream else config.data.cache_mib,
                bad_videos=watch_for_bad(config, workdir, split),
                paint=paint if name == base.MASKED else None,
            ),
        )


def by_turn(
    streams: Mapping[str, Iterator[pipeline.Batch]],
    turns: joint.Order,
    mesh: jax.sharding.Mesh,
) -> dict[str, Iterator[stepping.Batch]]:
    """Returns the batches of every turn, by the stream whose turn it is.

    Streams without a turn go with the training set's. Methods know `train` by that
    name, whether it is the training set or a web stream.
    """
    own = {name: {joint.TRAIN: streams[name]} for name in (joint.TRAIN, *turns.web)}
    if base.MASKED in turns.web:
        own[base.MASKED] = {base.MASKED: streams[base.MASKED]}
    own[joint.TRAIN] |= {name: s for name, s in streams.items() if name not in own}
    return {name: _on_devices(together, mesh) for name, together in own.items()}


def _on_devices(
    streams: Mapping[str, Iterator[pipeline.Batch]], mesh: jax.sharding.Mesh
) -> Iterator[stepping.Batch]:
    """Yields global batches of all streams, each with what a method may see of it."""
    kept = {base.UNLABELLED: ("video",), base.MASKED: ("video", "label")}
    for batches in zip(*streams.values(), strict=True):
        yield {
            name: sharding.shard({k: batch[k] for k in kept.get(name, batch)}, mesh)
            for name, batch in zip(streams, batches, strict=True)
        }


def watch_for_bad(
    config: Config, workdir: pathlib.Path, split: catalog.Split
) -> bad_videos.BadVideos:
    """Returns the count of bad videos in this process's share, with its own file."""
    process = jax.process_index()
    return bad_videos.BadVideos(
        workdir / f"bad_videos{f'-{process}' if process else ''}.jsonl",
        limit=config.data.bad_video_limit,
        num_videos=len(split) // jax.process_count(),
        source=f"{split.dataset}/{split.name}",
    )


def describe(config: Config, opened: splits.Splits, plan: loop.Plan) -> list[str]:
    """Returns a line about each stream beside the training set's."""
    lines = [_describe_web(name, split, plan) for name, split in opened.web.items()]
    if opened.target:
        lines.append(_describe_target(opened.target, _target_batch_size(config)))
    if config.data.masked:
        lines.append(_describe_masked(config, opened.masked))
    return lines


def _describe_web(name: str, split: catalog.Split, plan: loop.Plan) -> str:
    """Returns the line about a web stream."""
    batches, batch_size = plan.order.web[name]
    every = plan.order.every
    bare = [aspect for aspect, mask in split.aspect_mask.items() if not mask.any()]
    return (
        f"jointly with {name}, {len(split):,} of {split.dataset}/{split.name}: "
        f"{batches} x {batch_size} after "
        f"{'each step' if every == 1 else f'every {every} steps'}"
        f"{'; no labels for ' + ', '.join(bare) if bare else ''}"
    )


def _describe_target(split: catalog.Split, batch_size: int) -> str:
    """Returns the line about the unlabelled videos."""
    return (
        f"adapting to {len(split):,} unlabelled videos of {split.dataset}/"
        f"{split.name}, {batch_size} a step"
    )


def _describe_masked(config: Config, found: masking.Masked | None) -> str:
    """Returns the line about clips without people."""
    if found is None:
        return (
            "NOTICE: no training video has boxes in enough of its frames, so there "
            "are no clips with the people painted out; the loss on them is left out. "
            "Name a file of boxes with data.masked.boxes, or do without by "
            "data.masked.without_boxes='guess'"
        )
    return (
        f"with {len(found.split):,} videos whose people are painted out, "
        f"{found.num_guessed:,} of them by guess: {_masked_batch_size(config)} a step, "
        + ("as an update of their own" if found.turns == "alternate" else "at once")
    )
