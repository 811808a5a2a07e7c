"""Wires a config to data, network, method and optimiser, and runs it.

The only module that knows all the others. Read `run` from top to bottom.
"""

import contextlib
import dataclasses
import functools
import pathlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from flax import nnx

from smad_jax import aspects as aspect_table
from smad_jax import errors, methods, models, splits, torch_weights
from smad_jax import workdir as workdir_lib
from smad_jax.data import (
    bad_videos,
    catalog,
    groups,
    masking,
    order,
    people,
    pipeline,
    selection,
    web,
)
from smad_jax.evaluation import accuracy, predict, watch
from smad_jax.methods import base
from smad_jax.training import (
    checkpoint,
    joint,
    log,
    loop,
    optimizer,
    schedules,
    sharding,
)
from smad_jax.training import state as state_lib
from smad_jax.training import step as step_lib

Config = Any  # an ml_collections.ConfigDict, of whose values no checker knows
Results = dict[str, float]
T = TypeVar("T")


def run(config: Config, workdir: pathlib.Path, *, force: bool = False) -> Results:
    """Trains if there is training left to do, tests, and writes `results.json`.

    Args:
        config: From a file in `configs/`.
        workdir: Folder of the run; goes on from its newest checkpoint.
        force: Go on even if the folder was made by another config.

    Returns:
        Metrics named `set/metric`, accuracies between 0 and 1.

    Raises:
        UserError: for whatever the user can put right.
    """
    started, started_processor = time.perf_counter(), time.process_time()
    check(config)
    first_process = jax.process_index() == 0
    if first_process and not force:
        workdir_lib.check_owner(workdir, config)
    opened = splits.open_splits(config)
    train = opened.train
    mesh = sharding.make_mesh()
    for key, batch_size in _batch_sizes(config).items():
        sharding.check_batch_size(batch_size, mesh, key=key)
    plan = make_plan(config, train, workdir.name, opened.masked)
    graph, state, train_step = build(config, train, plan, mesh)
    with checkpoint.Checkpoints(workdir / "checkpoints") as checkpoints:
        resumed = checkpoints.latest_step()
        if resumed is not None:
            state, _ = checkpoints.restore(state)
        # Only now is it certain that this config can go on in this folder.
        if first_process:
            workdir_lib.claim(workdir, config)
            workdir_lib.write_labels(
                workdir, workdir_lib.Labels(train.classes, train.aspects)
            )
        log.logger.info(describe(config, opened, plan, state))
        if resumed is not None:
            log.logger.info(f"going on from step {resumed}")
        if int(state.step) < plan.total_steps:
            state = _train(
                config,
                workdir,
                opened,
                plan,
                mesh,
                state,
                train_step,
                checkpoints,
                _watch(config, graph, train),
            )
        state = _refit(config, workdir, opened, plan, mesh, graph, state, checkpoints)
    found = evaluate(config, workdir, graph, state, opened.tests)
    results = {
        f"{name}/{metric}": value
        for name, predictions in found.items()
        for metric, value in accuracy.summary(
            predictions.probabilities, predictions.labels
        ).items()
    }
    if first_process:
        workdir_lib.write_results(
            workdir,
            results,
            {name: len(p.probabilities) for name, p in found.items()},
            {name: p.unreadable for name, p in found.items()},
            seed=config.seed,
            seconds=time.perf_counter() - started,
            processor_seconds=time.process_time() - started_processor,
            sees_target_data=methods.find(config.method.name).sees_target_data,
        )
    return results


def check(config: Config) -> None:
    """Raises ConfigError for numbers that cannot work, before anything is done."""
    positive = {
        "data.batch_size": config.data.batch_size,
        "data.web_every": config.data.web_every,
        "evaluation.batch_size": config.evaluation.batch_size,
        "evaluation.view_chunk": config.evaluation.view_chunk,
        "training.epochs": config.training.epochs,
        "training.log_every": config.training.log_every,
        "training.save_every_epochs": config.training.save_every_epochs,
    }
    for key, value in positive.items():
        if value < 1:
            raise errors.ConfigError(f"{key} must be at least 1, but it is {value}")
    _check_target(config)
    methods.check_groups(config.method.name, config.data.groups)
    methods.check_holdout(config.method.name, config.data.holdout)
    _check_masked(config)
    _check_clips(config)
    ghost_size = config.model.ghost_size
    for key, batch_size in _forward_sizes(config).items():
        if 0 < ghost_size < batch_size and batch_size % ghost_size:
            raise errors.ConfigError(
                f"{key} must be a multiple of model.ghost_size {ghost_size}, or at "
                f"most that, but it is {batch_size}"
            )
    if not 0.02 <= config.data.embedded_scale <= 1:
        raise errors.ConfigError(
            "data.embedded_scale must be from 0.02 to 1, but it is "
            f"{config.data.embedded_scale}"
        )
    for name in config.method.aspects:
        aspect_table.get(name)
    if len(set(config.method.aspects)) < len(config.method.aspects):
        raise errors.ConfigError(f"method.aspects={config.method.aspects} repeats one")
    if "/" not in config.data.train:
        raise errors.ConfigError(
            f"data.train must be DATASET/SPLIT, but it is {config.data.train!r}"
        )


def _check_target(config: Config) -> None:
    """Raises ConfigError unless method and unlabelled videos go together."""
    target, batch_size = config.data.target, config.data.target_batch_size
    methods.check_target(config.method.name, target)
    if batch_size < 0:
        raise errors.ConfigError(
            f"data.target_batch_size must be at least 0, but it is {batch_size}"
        )
    if target and "/" not in target:
        raise errors.ConfigError(
            f"data.target must be DATASET/SPLIT, but it is {target!r}"
        )
    if target and config.data.web:
        raise errors.ConfigError(
            "data.target and the web streams of data.web cannot be used together: a "
            "step on web data would have no unlabelled videos; leave one of them out"
        )


def _check_clips(config: Config) -> None:
    """Raises ConfigError unless method and clips of a training video go together."""
    given = config.data.sampling.get("train_clips", 1)
    wanted = config.method.settings.get("num_clips", 1)
    if given != wanted:
        raise errors.ConfigError(
            f"method {config.method.name!r} learns from {wanted} clips of a video, "
            f"method.settings.num_clips, but data.sampling.train_clips is {given}; "
            "make them equal"
        )


def _check_masked(config: Config) -> None:
    """Raises ConfigError unless method and clips without people go together."""
    methods.check_masked(config.method.name, bool(config.data.masked))
    if config.data.masked and config.data.web:
        raise errors.ConfigError(
            "data.masked and the web streams of data.web cannot be used together: they "
            "would take turns at different steps; leave one of them out"
        )


def _masked_batch_size(config: Config) -> int:
    """Returns how many videos without people a batch has; 0 where there are none."""
    stream = masking.MaskedStream.from_config(config.data.masked)
    return (stream.batch_size or config.data.batch_size) if stream else 0


def _target_batch_size(config: Config) -> int:
    """Returns how many unlabelled videos a step sees, where the method wants some."""
    return config.data.target_batch_size or config.data.batch_size


def _batch_sizes(config: Config) -> dict[str, int]:
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


def _forward_sizes(config: Config) -> dict[str, int]:
    """Returns how many clips pass the network together, by the keys that say so."""
    sizes = _batch_sizes(config)
    if config.data.target:
        sizes = {" + ".join(sizes): sum(sizes.values())}
    clips = config.data.sampling.get("train_clips", 1)
    if clips == 1:
        return sizes
    return {f"data.sampling.train_clips * ({k})": clips * n for k, n in sizes.items()}


def make_plan(
    config: Config,
    train: catalog.Split,
    name: str,
    without_people: masking.Masked | None = None,
) -> loop.Plan:
    """Turns the config's epochs into steps; the only place that does.

    Args:
        config: Of the run.
        train: The training split.
        name: Of the run, for its log.
        without_people: What the stream of masked clips is made of, if there is one.
    """
    steps_per_epoch = -(-len(train) // config.data.batch_size)
    total = config.training.epochs * steps_per_epoch
    return loop.Plan(
        name=name,
        total_steps=min(total, config.training.max_steps or total),
        steps_per_epoch=steps_per_epoch,
        log_every=config.training.log_every,
        save_every=config.training.save_every_epochs * steps_per_epoch,
        batch_size=config.data.batch_size,
        order=_order(config, without_people),
        chance={
            name: _chance(train, name) for name in train.aspects if name != groups.NAME
        },
        on_non_finite=_one_of(
            {"stop": "stop", "skip": "skip"},
            "training.on_non_finite",
            config.training.on_non_finite,
        ),
    )


def _order(config: Config, without_people: masking.Masked | None) -> joint.Order:
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


def build(
    config: Config, train: catalog.Split, plan: loop.Plan, mesh: jax.sharding.Mesh
) -> tuple[nnx.GraphDef, state_lib.TrainState, step_lib.Step]:
    """Returns the modules' structure, the state before step 1, and the step."""
    direction = optimizer.build(
        config.optimizer.name,
        weight_decay=config.optimizer.weight_decay,
        momentum=config.optimizer.momentum,
        clip_norm=config.optimizer.clip_norm,
    )
    graph, state = state_lib.create(
        lambda: build_modules(
            config, train.classes, train.aspects, total_steps=plan.total_steps
        ),
        direction,
    )
    if config.init.folder:
        state = _with_weights(
            state,
            pathlib.Path(config.init.folder),
            allow=config.init.allow,
            fresh=config.init.fresh,
        )
    rate = learning_rate(config, plan)
    train_step = step_lib.make_train_step(graph, base.loss, direction, rate)
    return graph, sharding.replicate(state, mesh), train_step


def _with_weights(
    state: state_lib.TrainState,
    folder: pathlib.Path,
    *,
    allow: Sequence[str],
    fresh: Sequence[str],
) -> state_lib.TrainState:
    """Returns the state with the model's arrays from a weights folder, or a run's."""
    params, batch_stats = torch_weights.initialise(
        state.params["model"],
        state.batch_stats["model"],
        folder,
        allow=allow,
        fresh=fresh,
    )
    return dataclasses.replace(
        state,
        params=state.params | {"model": params},
        batch_stats=state.batch_stats | {"model": batch_stats},
    )


def build_modules(
    config: Config,
    classes: Sequence[str],
    aspects: Mapping[str, aspect_table.Aspect],
    *,
    total_steps: int,
) -> base.Trained:
    """Builds the network and the method's heads with fresh parameters.

    Args:
        config: From a file in `configs/`.
        classes: [K] names of the actions.
        aspects: What the training stream carries labels for, by name.
        total_steps: Of the run, for what changes in its course.
    """
    rngs = nnx.Rngs(config.seed)
    model = models.build_model(num_classes=len(classes), rngs=rngs, **config.model)
    ramp = _one_of(
        {
            "constant": schedules.constant_strength,
            "dann": schedules.dann_ramp(total_steps),
        },
        "method.ramp",
        config.method.ramp,
    )
    method = methods.build_method(
        config.method.name,
        model.backbone.width,
        aspects,
        ramp=ramp,
        rngs=rngs,
        settings=config.method.settings,
        total_steps=total_steps,
    )
    return base.Trained(model, method)


def learning_rate(config: Config, plan: loop.Plan) -> schedules.Schedule:
    """Returns the schedule, its rate scaled linearly with the batch size."""
    section = config.optimizer
    rate = section.learning_rate * batch_size_scale(config)
    return _one_of(
        {
            "cosine": schedules.cosine(
                rate,
                epochs=config.training.epochs,
                steps_per_epoch=plan.steps_per_epoch,
                warmup_epochs=section.warmup_epochs,
            ),
            "steps": schedules.steps(
                rate,
                milestones=section.milestones,
                steps_per_epoch=plan.steps_per_epoch,
            ),
        },
        "optimizer.schedule",
        section.schedule,
    )


def batch_size_scale(config: Config) -> float:
    """Returns by how much the learning rate grows with the batch (linear scaling)."""
    base_batch_size = config.optimizer.base_batch_size
    return config.data.batch_size / base_batch_size if base_batch_size else 1.0


def describe(
    config: Config,
    opened: splits.Splits,
    plan: loop.Plan,
    state: state_lib.TrainState,
) -> str:
    """Returns what is about to be trained, on what and where, in one paragraph."""
    train, target = opened.train, opened.target
    against = [name for name in train.aspects if name != groups.NAME]
    count = sum(leaf.size for leaf in jax.tree.leaves(state.params["model"]))
    rate = config.optimizer.learning_rate * batch_size_scale(config)
    return (
        f"{config.model.name}{' + SAAR' if config.model.saar else ''}, "
        f"{count:,} parameters; method {config.method.name}"
        f"{' against ' + ', '.join(against) if against else ''}\n"
        f"{len(train):,} videos of {len(train.classes)} classes; "
        f"{plan.total_steps:,} steps of {plan.batch_size} videos, learning rate "
        f"{rate:.4g}; {jax.device_count()} x {jax.devices()[0].device_kind}, "
        f"{jax.process_count()} process(es)"
        + "".join(
            _describe_web(name, split, plan) for name, split in opened.web.items()
        )
        + (_describe_target(target, _target_batch_size(config)) if target else "")
        + (_describe_masked(config, opened.masked) if config.data.masked else "")
    )


def _describe_web(name: str, split: catalog.Split, plan: loop.Plan) -> str:
    """Returns the line about a web stream."""
    batches, batch_size = plan.order.web[name]
    every = plan.order.every
    bare = [aspect for aspect, mask in split.aspect_mask.items() if not mask.any()]
    return (
        f"\njointly with {name}, {len(split):,} of {split.dataset}/{split.name}: "
        f"{batches} x {batch_size} after "
        f"{'each step' if every == 1 else f'every {every} steps'}"
        f"{'; no labels for ' + ', '.join(bare) if bare else ''}"
    )


def _describe_target(split: catalog.Split, batch_size: int) -> str:
    """Returns the line about the unlabelled videos."""
    return (
        f"\nadapting to {len(split):,} unlabelled videos of {split.dataset}/"
        f"{split.name}, {batch_size} a step"
    )


def _describe_masked(config: Config, found: masking.Masked | None) -> str:
    """Returns the line about clips without people."""
    if found is None:
        return (
            "\nNOTICE: no training video has boxes in enough of its frames, so there "
            "are no clips with the people painted out; the loss on them is left out. "
            "Name a file of boxes with data.masked.boxes, or do without by "
            "data.masked.without_boxes='guess'"
        )
    return (
        f"\nwith {len(found.split):,} videos whose people are painted out, "
        f"{found.num_guessed:,} of them by guess: {_masked_batch_size(config)} a step, "
        + ("as an update of their own" if found.turns == "alternate" else "at once")
    )


def evaluate(
    config: Config,
    workdir: pathlib.Path,
    graph: nnx.GraphDef,
    state: state_lib.TrainState,
    tests: Mapping[str, catalog.Split],
) -> dict[str, predict.Predictions]:
    """Adapts to and predicts every test split; saves predictions and a few examples."""
    predictor = predict.Predictor(
        graph,
        state.params,
        state.batch_stats,
        view_chunk=config.evaluation.view_chunk,
    )
    found = {}
    for name, split in tests.items():
        found[name], examples = predict_split(
            config, predictor, split, _bad_videos(config, workdir, split)
        )
        if jax.process_index() == 0:
            found[name].save(workdir / "predictions" / f"{name}.npz")
            examples.save(workdir / "predictions" / f"{name}_examples.npz")
        scores = accuracy.summary(found[name].probabilities, split.labels)
        log.logger.info(
            f"{workdir.name} {name}: "
            f"n_seen {len(found[name].probabilities)} of {len(split)}, "
            f"unreadable {found[name].unreadable} | "
            + " ".join(f"{metric} {value:.1%}" for metric, value in scores.items())
        )
    return found


def predict_split(
    config: Config,
    predictor: predict.Predictor,
    split: catalog.Split,
    bad: bad_videos.BadVideos,
) -> tuple[predict.Predictions, predict.Examples]:
    """Returns what the network, adapted to it, says of every video of a split."""
    open_batches = functools.partial(test_batches, config, split, bad)
    predictor.adapt(open_batches)
    return predictor.run(open_batches(), np.asarray(split.ids), split.labels)


def test_batches(
    config: Config, split: catalog.Split, bad: bad_videos.BadVideos
) -> pipeline.Batches[pipeline.TestBatch]:
    """Returns this process's share of a split, seen as at test."""
    return pipeline.test_batches(
        split,
        sampling=config.data.sampling,
        transform=config.data.transform,
        batch_size=config.evaluation.batch_size * jax.process_count(),
        process_index=jax.process_index(),
        process_count=jax.process_count(),
        num_threads=config.data.num_threads,
        bad_videos=bad,
    )


def _bad_videos(
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


def _train(
    config: Config,
    workdir: pathlib.Path,
    opened: splits.Splits,
    plan: loop.Plan,
    mesh: jax.sharding.Mesh,
    state: state_lib.TrainState,
    train_step: step_lib.Step,
    checkpoints: checkpoint.Checkpoints,
    look: watch.Watch | None,
) -> state_lib.TrainState:
    """Runs the loop from the state's step, with its data, journal and checkpoints."""
    start = int(state.step)
    sources = {joint.TARGET: opened.train, **opened.web}
    if opened.target is not None:
        sources[base.UNLABELLED] = opened.target
    if opened.masked is not None:
        sources[base.MASKED] = opened.masked.split
    paint = opened.masked.paint if opened.masked else None

    with contextlib.ExitStack() as stack:
        journal = log.Journal(workdir if jax.process_index() == 0 else None, start)
        stack.callback(journal.close)

        def save(state: state_lib.TrainState) -> None:
            checkpoints.save(state, _position(config, plan, state))
            if look is not None:
                journal.show(int(state.step), "look/actionness", *look(state))

        streams = {
            name: stack.enter_context(batches)
            for name, batches in _streams(config, workdir, sources, plan, start, paint)
        }
        return loop.run(
            state,
            plan,
            train_step=train_step,
            batches=_turns(streams, plan.order, mesh),
            key=jax.random.key(config.seed),
            save=save,
            journal=journal,
        )


def _position(
    config: Config, plan: loop.Plan, state: state_lib.TrainState
) -> checkpoint.Position:
    """Returns where a run is, to be kept beside its state."""
    step = int(state.step)
    return {"step": step, "videos": step * plan.batch_size, "seed": config.seed}


def _refit(
    config: Config,
    workdir: pathlib.Path,
    opened: splits.Splits,
    plan: loop.Plan,
    mesh: jax.sharding.Mesh,
    graph: nnx.GraphDef,
    state: state_lib.TrainState,
    checkpoints: checkpoint.Checkpoints,
) -> state_lib.TrainState:
    """Fits the trained network to features, if its method does; counts as a step.

    A checkpoint of that step holds what came of it, so whoever reads the newest one
    needs to know nothing of it, and a run that goes on does not fit again.
    """
    refits = methods.find(config.method.name).refits
    if not refits or int(state.step) > plan.total_steps:
        return state
    split = opened.train if opened.held_out is None else opened.held_out
    predictor = predict.Predictor(
        graph, state.params, state.batch_stats, view_chunk=config.evaluation.view_chunk
    )
    found, _ = predict_split(
        config, predictor, split, _bad_videos(config, workdir, split)
    )
    rows = np.flatnonzero(found.probabilities.sum(axis=1))  # those that can be read
    stream = {
        "features": found.features[rows],
        "label": split.labels[rows],
        "aspects": {name: v[rows] for name, v in split.aspect_labels.items()},
        "aspect_mask": {name: v[rows] for name, v in split.aspect_mask.items()},
    }
    params = predictor.refit(stream, rng=np.random.default_rng(config.seed))
    log.logger.info(f"fitted again to features of {len(rows):,} videos")
    state = dataclasses.replace(
        state, step=state.step + 1, params=sharding.replicate(params, mesh)
    )
    checkpoints.save(state, _position(config, plan, state))
    return state


def _watch(
    config: Config, graph: nnx.GraphDef, train: catalog.Split
) -> watch.Watch | None:
    """Returns what looks at a few training videos at every checkpoint, with SAAR."""
    count = config.training.watch_videos
    if not (config.model.saar and count) or jax.process_index() > 0:
        return None
    few = selection.few_videos(train, count)
    batches = pipeline.test_batches(
        few,
        sampling=config.data.sampling,
        transform=config.data.transform,
        batch_size=len(few),
        process_index=0,
        process_count=1,
        num_threads=config.data.num_threads,
        # training itself says what is wrong with a video
        bad_videos=bad_videos.BadVideos(None, limit=1.0, num_videos=len(few)),
    )
    batch = next(iter(batches))
    clips = batch["video"][batch["mask"] & ~batch["unreadable"], 0]
    return watch.Watch(graph, clips) if len(clips) else None


def _streams(
    config: Config,
    workdir: pathlib.Path,
    sources: Mapping[str, catalog.Split],
    plan: loop.Plan,
    start: int,
    paint: people.Paint | None = None,
) -> Iterator[tuple[str, pipeline.Batches[pipeline.Batch]]]:
    """Yields every stream's name and its batches, from those of step `start` on."""
    webs = web.read_streams(config.data.web)
    sizes = {
        joint.TARGET: config.data.batch_size,
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
                seed=seed if name == joint.TARGET else order.stream_seed(seed, name),
                start_step=taken[name],
                class_power=stream.class_power if stream else 1.0,
                process_index=jax.process_index(),
                process_count=jax.process_count(),
                num_threads=config.data.num_threads,
                num_workers=config.data.num_workers,
                # web sets are large; the memory is for the others
                cache_mib=0 if stream else config.data.cache_mib,
                bad_videos=_bad_videos(config, workdir, split),
                paint=paint if name == base.MASKED else None,
            ),
        )


def _turns(
    streams: Mapping[str, Iterator[pipeline.Batch]],
    order: joint.Order,
    mesh: jax.sharding.Mesh,
) -> dict[str, Iterator[step_lib.Batch]]:
    """Returns the batches of every turn, by the stream whose turn it is.

    Streams without a turn go with the training set's. Methods know `train` by that
    name, whether it is the training set or a web stream.
    """
    own = {name: {joint.TARGET: streams[name]} for name in (joint.TARGET, *order.web)}
    if base.MASKED in order.web:
        own[base.MASKED] = {base.MASKED: streams[base.MASKED]}
    own[joint.TARGET] |= {name: s for name, s in streams.items() if name not in own}
    return {name: _on_devices(together, mesh) for name, together in own.items()}


def _on_devices(
    streams: Mapping[str, Iterator[pipeline.Batch]], mesh: jax.sharding.Mesh
) -> Iterator[step_lib.Batch]:
    """Yields global batches of all streams, each with what a method may see of it."""
    kept = {base.UNLABELLED: ("video",), base.MASKED: ("video", "label")}
    for batches in zip(*streams.values(), strict=True):
        yield {
            name: sharding.shard({k: batch[k] for k in kept.get(name, batch)}, mesh)
            for name, batch in zip(streams, batches, strict=True)
        }


def _one_of(choices: Mapping[str, T], key: str, value: str) -> T:
    """Returns the choice that the config's `key` names."""
    if value not in choices:
        raise errors.ConfigError(
            f"unknown {key} {value!r}; known: {', '.join(choices)}"
        )
    return choices[value]


def _chance(train: catalog.Split, aspect: str) -> float:
    """Returns the accuracy of always answering the aspect's most frequent label."""
    labels = train.aspect_labels[aspect][train.aspect_mask[aspect]]
    if not len(labels):
        raise errors.DataError(f"no video of {train.name} has labels for {aspect!r}")
    if train.aspects[aspect].kind == "tags":
        return float(labels.astype(np.float32).mean(axis=0).max())
    counts = np.bincount(labels.argmax(axis=1))
    return float(counts.max() / counts.sum())
