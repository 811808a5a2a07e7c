"""Network, method, optimiser and plan, as the settings of a run ask for them."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np
import optax
from flax import nnx

from smad_jax import errors, methods, models
from smad_jax.base import aspect_table
from smad_jax.data import catalog, groups, masking
from smad_jax.experiment import streams
from smad_jax.experiment.keys import Init
from smad_jax.experiment.settings import Settings
from smad_jax.methods import base
from smad_jax.models import compiler_options
from smad_jax.torch_weights import weights
from smad_jax.training import (
    averaging,
    loop,
    optimizer,
    parameter_layout,
    schedules,
    sharding,
    stepping,
    train_state,
)


class Built(NamedTuple):
    """What training starts with: modules' structure, state before step 1, update."""

    graph: nnx.GraphDef[base.Trained]
    state: train_state.TrainState
    train_step: stepping.Step


def make_plan(
    settings: Settings,
    train: catalog.Split,
    name: str,
    without_people: masking.Masked | None = None,
) -> loop.Plan:
    """Turns epochs into steps; the only place that does.

    Raises:
        DataError: if no training video has labels of an aspect.
    """
    data, training = settings.data, settings.training
    # The last batch of an epoch is as full as the others: it takes videos of the next.
    steps_per_epoch = -(-len(train) // data.batch_size)
    total = training.epochs * steps_per_epoch
    total = min(total, training.max_steps or total)
    return loop.Plan(
        name=name,
        total_steps=total,
        steps_per_epoch=steps_per_epoch,
        log_every=training.log_every,
        save_every=training.save_every_epochs * steps_per_epoch,
        batch_size=data.batch_size,
        order=streams.turn_order(data, without_people),
        # Groups are labels to balance by, which no head predicts.
        chance={
            name: _chance(train, name) for name in train.aspects if name != groups.NAME
        },
        action_chance=float(np.bincount(train.labels).max() / len(train)),
        on_non_finite=training.on_non_finite,
        profile=training.profile,
        max_skipped=max(1, int(training.non_finite_limit * total)),
    )


def build(
    settings: Settings, train: catalog.Split, plan: loop.Plan, mesh: jax.sharding.Mesh
) -> Built:
    """Returns everything that training starts with, on the devices."""
    direction = make_direction(settings)
    graph, state = train_state.create(
        lambda: build_modules(
            settings, train.classes, train.aspects, total_steps=plan.total_steps
        ),
        direction,
    )
    if settings.init.folder:
        state = _with_weights(state, settings.init)
    rate = learning_rate(settings, plan)
    ema = settings.training.ema
    # From the weights that training begins with, so after they are read.
    state = averaging.started(state) if ema else state
    layout = parameter_layout.layout(state, mesh)
    train_step = stepping.make_train_step(
        graph,
        base.loss,
        direction,
        rate,
        ema=ema,
        layout=layout,
        compiler_options=compiler_options.for_train_step(
            models.MODELS[settings.model.name],
            settings.data.transform.size,
            jax.default_backend(),
        ),
    )
    return Built(graph, sharding.place(state, layout), train_step)


def make_direction(settings: Settings) -> optax.GradientTransformation:
    """Returns the optimiser without its learning rate."""
    # The step applies the rate: it logs the one it used.
    section = settings.optimizer
    return optimizer.build(
        section.name,
        weight_decay=section.weight_decay,
        momentum=section.momentum,
        clip_norm=section.clip_norm,
    )


def build_modules(
    settings: Settings,
    classes: Sequence[str],
    aspects: Mapping[str, aspect_table.Aspect],
    *,
    total_steps: int,
) -> base.Trained:
    """Builds the network and the method's heads with fresh parameters.

    `aspects` are those that the training stream carries labels for.
    """
    # The model draws first: with one seed every method starts from the same network.
    rngs = nnx.Rngs(settings.seed)
    model = models.build_model(
        num_classes=len(classes),
        input=settings.data.sampling.input,
        num_parts=settings.training.accumulate,
        rngs=rngs,
        **dataclasses.asdict(settings.model),
    )
    section = settings.method
    ramps = {
        "constant": schedules.constant_strength,
        "dann": schedules.dann_ramp(total_steps),
    }
    given = methods.Given(
        model.backbone.width, aspects, ramps[section.ramp], rngs, total_steps
    )
    method = methods.build(section.name, given, section.settings)
    return base.Trained(model, method)


def _with_weights(state: train_state.TrainState, init: Init) -> train_state.TrainState:
    """Returns the state with the model's arrays from a weights folder, or a run's."""
    # The method's heads stay fresh: they are no part of the network that was trained.
    params, batch_stats = weights.initialise(
        state.params["model"],
        state.batch_stats["model"],
        pathlib.Path(init.folder),
        allow=init.allow,
        fresh=init.fresh,
    )
    return dataclasses.replace(
        state,
        params=state.params | {"model": params},
        batch_stats=state.batch_stats | {"model": batch_stats},
    )


def learning_rate(settings: Settings, plan: loop.Plan) -> schedules.Schedule:
    """Returns the schedule, from the scaled rate on."""
    section, rate = settings.optimizer, scaled_rate(settings)
    if section.schedule == "steps":
        return schedules.steps(
            rate, milestones=section.milestones, steps_per_epoch=plan.steps_per_epoch
        )
    # By the epochs of the config: a run cut short by max_steps does not decay faster.
    return schedules.cosine(
        rate,
        epochs=settings.training.epochs,
        steps_per_epoch=plan.steps_per_epoch,
        warmup_epochs=section.warmup_epochs,
    )


def scaled_rate(settings: Settings) -> float:
    """Returns the learning rate, grown with the batch size (linear scaling)."""
    section = settings.optimizer
    # The paper's rates are for 8 devices, and fewer of them hold a smaller batch.
    base_size = section.base_batch_size or settings.data.batch_size
    return section.learning_rate * (settings.data.batch_size / base_size)


def _chance(train: catalog.Split, aspect: str) -> float:
    """Returns the accuracy of always answering the aspect's most frequent label."""
    # The log shows it beside the adversary's accuracy, which alone proves nothing:
    # with one frequent label it is high without any feature.
    # Over the labelled videos alone, as that accuracy is.
    labels = train.aspect_labels[aspect][train.aspect_mask[aspect]]
    if not len(labels):
        raise errors.DataError(f"no video of {train.name} has labels for {aspect!r}")
    if train.aspects[aspect].kind == "tags":
        # A video has several tags, so each tag has a share of its own.
        return float(labels.astype(np.float32).mean(axis=0).max())
    counts = np.bincount(labels.argmax(axis=1))
    return float(counts.max() / counts.sum())
