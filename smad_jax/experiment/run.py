"""Wires a config to data, network, method and optimiser, and runs it.

The only module that knows all the others. Read `run` from top to bottom.
"""

import contextlib
import dataclasses
import functools
import pathlib
import time
from collections.abc import Generator, Mapping, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from flax import nnx

from smad_jax import aspect_table, errors, methods, models, torch_weights
from smad_jax.data import (
    bad_videos,
    catalog,
    groups,
    masking,
    pipeline,
    selection,
)
from smad_jax.evaluation import accuracy, predict, watch
from smad_jax.experiment import checks, run_folder, splits, streams
from smad_jax.methods import base
from smad_jax.training import (
    checkpoint,
    joint,
    log,
    loop,
    optimizer,
    progress,
    schedules,
    sharding,
    stepping,
    train_state,
)

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
    checks.check(config)
    first_process = jax.process_index() == 0
    if first_process and not force:
        run_folder.check_owner(workdir, config)
    opened = splits.open_splits(config)
    train = opened.train
    mesh = sharding.make_mesh()
    for key, batch_size in streams.batch_sizes(config).items():
        sharding.check_batch_size(batch_size, mesh, key=key)
    plan = make_plan(config, train, workdir.name, opened.masked)
    graph, state, train_step = build(config, train, plan, mesh)
    with checkpoint.Checkpoints(workdir / "checkpoints") as checkpoints:
        resumed = checkpoints.latest_step()
        if resumed is not None:
            state, _ = checkpoints.restore(state)
        # Only now is it certain that this config can go on in this folder.
        if first_process:
            run_folder.claim(workdir, config)
            run_folder.write_labels(
                workdir, run_folder.Labels(train.classes, train.aspects)
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
            predictions.probabilities, predictions.labels, predictions.ids
        ).items()
    }
    if first_process:
        run_folder.write_results(
            workdir,
            results,
            {name: len(p.probabilities) for name, p in found.items()},
            {name: p.unreadable for name, p in found.items()},
            seed=config.seed,
            seconds=time.perf_counter() - started,
            processor_seconds=(
                time.process_time() - started_processor if resumed is None else None
            ),
            sees_target_data=methods.find(config.method.name).sees_target_data,
        )
    return results


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
        order=streams.turn_order(config, without_people),
        chance={
            name: _chance(train, name) for name in train.aspects if name != groups.NAME
        },
        on_non_finite=_one_of(
            {"stop": "stop", "skip": "skip"},
            "training.on_non_finite",
            config.training.on_non_finite,
        ),
    )


def build(
    config: Config, train: catalog.Split, plan: loop.Plan, mesh: jax.sharding.Mesh
) -> tuple[nnx.GraphDef[base.Trained], train_state.TrainState, stepping.Step]:
    """Returns the modules' structure, the state before step 1, and the step."""
    direction = optimizer.build(
        config.optimizer.name,
        weight_decay=config.optimizer.weight_decay,
        momentum=config.optimizer.momentum,
        clip_norm=config.optimizer.clip_norm,
    )
    graph, state = train_state.create(
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
    train_step = stepping.make_train_step(graph, base.loss, direction, rate)
    return graph, sharding.replicate(state, mesh), train_step


def _with_weights(
    state: train_state.TrainState,
    folder: pathlib.Path,
    *,
    allow: Sequence[str],
    fresh: Sequence[str],
) -> train_state.TrainState:
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
    given = methods.Given(model.backbone.width, aspects, ramp, rngs, total_steps)
    method = methods.build(config.method.name, given, dict(config.method.settings))
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
    state: train_state.TrainState,
) -> str:
    """Returns what is about to be trained, on what and where, in one paragraph."""
    train = opened.train
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
        + "".join(f"\n{line}" for line in streams.describe(config, opened, plan))
    )


def evaluate(
    config: Config,
    workdir: pathlib.Path,
    graph: nnx.GraphDef[base.Trained],
    state: train_state.TrainState,
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
            config, predictor, split, streams.watch_for_bad(config, workdir, split)
        )
        if jax.process_index() == 0:
            found[name].save(workdir / "predictions" / f"{name}.npz")
            examples.save(workdir / "predictions" / f"{name}_examples.npz")
        scores = accuracy.summary(
            found[name].probabilities, split.labels, found[name].ids
        )
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
    with contextlib.closing(open_batches()) as batches:
        return predictor.run(batches, np.asarray(split.ids), split.labels)


def test_batches(
    config: Config, split: catalog.Split, bad: bad_videos.BadVideos
) -> Generator[pipeline.TestBatch]:
    """Yields this process's share of a split, seen as at test; tells how far it is."""
    processes = jax.process_count()
    name = "/".join(filter(None, (split.dataset, split.name)))
    with pipeline.test_batches(
        split,
        sampling=config.data.sampling,
        transform=config.data.transform,
        batch_size=config.evaluation.batch_size * processes,
        process_index=jax.process_index(),
        process_count=processes,
        num_threads=config.data.num_threads,
        bad_videos=bad,
    ) as batches:
        yield from progress.through(batches, name, batches.num_videos or 0)


def _train(
    config: Config,
    workdir: pathlib.Path,
    opened: splits.Splits,
    plan: loop.Plan,
    mesh: jax.sharding.Mesh,
    state: train_state.TrainState,
    train_step: stepping.Step,
    checkpoints: checkpoint.Checkpoints,
    look: watch.Watch | None,
) -> train_state.TrainState:
    """Runs the loop from the state's step, with its data, journal and checkpoints."""
    start = int(state.step)
    sources = {joint.TRAIN: opened.train, **opened.web}
    if opened.target is not None:
        sources[base.UNLABELLED] = opened.target
    if opened.masked is not None:
        sources[base.MASKED] = opened.masked.split
    paint = opened.masked.paint if opened.masked else None

    with contextlib.ExitStack() as stack:
        journal = log.Journal(workdir if jax.process_index() == 0 else None, start)
        stack.callback(journal.close)

        def save(state: train_state.TrainState) -> None:
            checkpoints.save(state, _position(config, plan, state))
            if look is not None:
                journal.show(int(state.step), "look/actionness", *look(state))

        opened_streams = {
            name: stack.enter_context(batches)
            for name, batches in streams.open_streams(
                config, workdir, sources, plan, start, paint
            )
        }
        return loop.run(
            state,
            plan,
            train_step=train_step,
            batches=streams.by_turn(opened_streams, plan.order, mesh),
            key=jax.random.key(config.seed),
            save=save,
            journal=journal,
        )


def _position(
    config: Config, plan: loop.Plan, state: train_state.TrainState
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
    graph: nnx.GraphDef[base.Trained],
    state: train_state.TrainState,
    checkpoints: checkpoint.Checkpoints,
) -> train_state.TrainState:
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
        config, predictor, split, streams.watch_for_bad(config, workdir, split)
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
    config: Config, graph: nnx.GraphDef[base.Trained], train: catalog.Split
) -> watch.Watch | None:
    """Returns what looks at a few training videos at every checkpoint, with SAAR."""
    count = config.training.watch_videos
    if not (config.model.saar and count) or jax.process_index() > 0:
        return None
    few = selection.few_videos(train, count)
    views = config.data.sampling.test_views or 1  # 0: each video's own number
    batches = pipeline.test_batches(
        few,
        sampling={**config.data.sampling, "test_views": views},
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
