"""What ours computes for every case, under the names of `torch_side`."""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from smad_jax import losses, models
from smad_jax.base import aspect_table
from smad_jax.methods import base
from smad_jax.models import adversarial, layers, saar
from smad_jax.torch_weights import networks as flat
from smad_jax.training import (
    joint,
    log,
    loop,
    optimizer,
    schedules,
    stepping,
    train_state,
)
from tests.golden import draws, settings
from tests.helpers import debiasing, networks

Arrays = dict[str, np.ndarray]


def logits(name: str, dtype: str) -> Arrays:
    """Logits of a whole network with SAAR, in evaluation."""
    model, _, shortcut = name.partition(" ")
    with jax.enable_x64(dtype == "float64"):
        graph, params, stats = networks.drawn(
            lambda: networks.whole(model, shortcut or "B", settings.NUM_CLASSES, dtype),
            dtype,
        )
        run = jax.jit(
            lambda params, stats, video: (
                nnx.merge(graph, params, stats)(video, train=False).logits
            ),
            compiler_options=networks.QUICKLY,
        )
        video = jnp.asarray(draws.normal("logits", settings.ODD), dtype)
        return {"logits": np.asarray(run(params, stats, video))}


def training(name: str) -> Arrays:
    """Three steps of SMAD: losses and gradient norms on the way, the arrays after."""
    return _three_steps(
        lambda: _trained(name),
        lambda step: [{"train": settings.batch(step)}],
        networks.WELL if name in models.MODELS else networks.QUICKLY,
    )


def _three_steps(
    build: Callable[[], base.Trained],
    batches_of: Callable[[int], list[stepping.Batch]],
    compiler_options: Mapping[str, int] | None = None,
) -> Arrays:
    """Losses and gradient norms of every update on the way, the arrays after."""
    graph, params, stats = networks.drawn(build)
    direction = optimizer.build(
        "sgd", weight_decay=1e-4, momentum=0.9, clip_norm=settings.CLIP_NORM
    )
    state = train_state.TrainState(
        jnp.zeros((), jnp.int32), params, stats, direction.init(params)
    )
    rate = schedules.cosine(**settings.TRAINING_SCHEDULE._asdict())
    take = stepping.make_train_step(graph, base.loss, direction, rate)
    found, compiled = {}, {}  # by the place of an update in its step
    key = jax.random.key(0)
    for step in range(settings.STEPS):
        batches = batches_of(step)
        for place, batch in enumerate(batches):
            advance = int(place + 1 == len(batches))
            batch = jax.tree.map(jnp.asarray, batch)
            if place not in compiled:
                lowered = take.lower(state, batch, key, advance)
                compiled[place] = lowered.compile(compiler_options)
            state, metrics = compiled[place](state, batch, key, advance)
            found |= {
                f"{settings.update_name(step, place)}/{key}": value
                for key, value in metrics.items()
                if key.startswith("loss/") or key in ("gradient_norm", "learning_rate")
            }
    return found | flat.flatten(state.params, state.batch_stats)


def _trained(name: str) -> base.Trained:
    trained = settings.TRAINED[name]
    key = (trained.network, trained.shortcut)
    if key in networks.SMALL:
        model = networks.small(key, settings.NUM_CLASSES)
    else:
        model = networks.whole(*key, settings.NUM_CLASSES, "float64")
    ramp = schedules.constant_strength
    if trained.ramp_steps:
        ramp = schedules.dann_ramp(trained.ramp_steps)
    method = debiasing.build(
        "smad",
        model.backbone.width,
        [
            aspect_table.Aspect(name, kind, size, "golden")
            for name, (kind, size) in settings.ASPECTS.items()
        ],
        ramp=ramp,
        soft_ce_weight=0.5,
        kl_weight=0.5,
        kl_reduction=trained.kl_reduction,
        tags_weight=5.0,
    )
    return base.Trained(model, method)


def joint_training() -> Arrays:
    """Target and web batches through the real loop, order and step."""
    graph, params, stats = networks.drawn(_plain)
    direction = optimizer.build(
        "sgd",
        weight_decay=1e-2,
        momentum=0.9,
        clip_norm=settings.JOINT_CLIP_NORM,
    )
    schedule = settings.JOINT_SCHEDULE
    rate = schedules.cosine(**schedule._asdict())
    take = stepping.make_train_step(graph, base.loss, direction, rate)
    losses = []

    def train_step(*arguments):
        state, metrics = take(*arguments)
        losses.append(float(metrics["loss"]))
        return state, metrics

    order = joint.Order(
        {
            name: joint.Web(batches, len(settings.joint_batch(name, 0)[0]))
            for name, batches in settings.JOINT_WEB.items()
        },
        settings.JOINT_EVERY,
    )
    steps = settings.JOINT_STEPS
    state = loop.run(
        train_state.TrainState(
            jnp.zeros((), jnp.int32), params, stats, direction.init(params)
        ),
        loop.Plan("joint", steps, schedule.steps_per_epoch, 1, steps, 3, {}, order),
        train_step=train_step,
        batches={name: _joint_stream(name) for name in settings.JOINT_SHAPES},
        key=jax.random.key(0),
        save=lambda state, _: None,
        journal=log.Journal(None),
    )
    after = flat.flatten(state.params, state.batch_stats)
    return {"losses": np.array(losses)} | after


def _plain() -> base.Trained:
    model = networks.small(("slowonly", "B"), settings.NUM_CLASSES)
    method = debiasing.build("baseline", model.backbone.width)
    return base.Trained(model, method)


def _joint_stream(name: str) -> Iterator[stepping.Batch]:
    for number in itertools.count():
        video, label = settings.joint_batch(name, number)
        yield {"train": {"video": jnp.asarray(video), "label": jnp.asarray(label)}}


def adapting(name: str) -> Arrays:
    """Three steps of a method that sees unlabelled videos too."""
    settings_of = {"weight": settings.DOMAIN_WEIGHT}
    if name == "dann":
        settings_of["hidden"] = settings.DISCRIMINATOR

    def build() -> base.Trained:
        model = networks.small(("slowonly", "B"), settings.NUM_CLASSES)
        method = debiasing.build(
            name,
            model.backbone.width,
            ramp=schedules.dann_ramp(settings.STEPS),
            **settings_of,
        )
        return base.Trained(model, method)

    def batches(step: int) -> list[stepping.Batch]:
        target = {"video": settings.target_video(step)}
        return [{"train": settings.batch(step), base.UNLABELLED: target}]

    return _three_steps(build, batches, networks.QUICKLY)


def scene_and_confusion() -> Arrays:
    """Three steps of SDN, two updates each."""
    kind, size = settings.ASPECTS["scene"]

    def build() -> base.Trained:
        model = networks.small(("slowonly", "B"), settings.NUM_CLASSES)
        method = debiasing.build(
            "sdn",
            model.backbone.width,
            [aspect_table.Aspect("scene", kind, size, "golden")],
            reversal=settings.REVERSAL,
            hidden=settings.SCENE_HIDDEN,
            confusion_weight=settings.CONFUSION_WEIGHT,
        )
        return base.Trained(model, method)

    def batches(step: int) -> list[stepping.Batch]:
        video = settings.masked_video(step)
        label = np.zeros(len(video), np.int32)
        masked = {base.MASKED: {"video": video, "label": label}}
        return [{"train": settings.batch(step)}, masked]

    return _three_steps(build, batches, networks.QUICKLY)


def all_losses() -> Arrays:
    """Each loss and its gradient by the logits, a mean over the batch."""
    soft, tags = jnp.asarray(settings.SOFT_LABEL), jnp.asarray(settings.TAGS)
    label, mask = jnp.asarray(settings.LABEL), jnp.asarray(settings.MASK)
    functions = {
        "cross_entropy": lambda x: losses.cross_entropy(x, label).mean(),
        "soft_cross_entropy": lambda x: losses.soft_cross_entropy(x, soft).mean(),
        "kl batchmean": lambda x: losses.kl_divergence(x, soft).mean(),
        "kl mean": lambda x: losses.kl_divergence(x, soft).mean() / soft.shape[1],
        "tags": lambda x: losses.tag_cross_entropy(x, tags).mean(),
        "masked tags": lambda x: losses.masked_mean(
            losses.tag_cross_entropy(x, tags), mask
        ),
    }
    logits = jnp.asarray(settings.LOGITS)
    return {
        f"{name} {part}": value
        for name, function in functions.items()
        for part, value in _value_and_gradients(function, logits).items()
    }


def gradient_reversal() -> Arrays:
    """A head's loss behind the reversal: gradients of features and of the head."""

    def loss(features: jax.Array, head: jax.Array) -> jax.Array:
        return jnp.tanh(adversarial.reverse_gradient(features, 1.0) @ head).sum()

    features, head = draws.normal("features", (4, 7)), draws.normal("head", (7, 3))
    return _value_and_gradients(loss, features, head)


def actionness() -> Arrays:
    """Eq. 5, value and both gradients."""
    shape = (2, 3, 5, 7)

    def weighed(feature_map: jax.Array, score: jax.Array) -> jax.Array:
        return jnp.sin(saar.reweight(feature_map, score)).sum()

    return _value_and_gradients(
        weighed, draws.normal("map", (*shape, 4)), 2 * draws.normal("score", shape)
    )


def clip() -> Arrays:
    """Gradients of several norms, clipped at 40."""
    transformation = optimizer.clip_by_global_norm(40.0)
    found = {}
    for norm in settings.NORMS:
        gradients = jax.tree.map(jnp.asarray, settings.gradients(norm))
        clipped, _ = transformation.update(gradients, optax.EmptyState())
        leaves = jax.tree.leaves(clipped)
        found[f"{norm}"] = np.concatenate([np.ravel(leaf) for leaf in leaves])
    return found


def cosine() -> Arrays:
    """The rates of SlowOnly's 196 epochs."""
    schedule = settings.SLOWONLY_SCHEDULE
    rate = schedules.cosine(**schedule._asdict())
    return _rates(rate, schedule.epochs * schedule.steps_per_epoch)


def steps() -> Arrays:
    """The rates of TSN's 100 epochs."""
    per_epoch = settings.STEPS_PER_EPOCH
    rate = schedules.steps(0.01, milestones=(40, 80), steps_per_epoch=per_epoch)
    return _rates(rate, 100 * per_epoch)


def _rates(rate: schedules.Schedule, number: int) -> Arrays:
    return {"rate": np.asarray(jax.vmap(rate)(jnp.arange(number, dtype=jnp.int32)))}


def ghost_norm() -> Arrays:
    """Eight groups of 16 videos in one batch norm, with both kinds of statistics."""
    x = jnp.asarray(draws.normal("ghost", settings.GHOST))
    direction = draws.normal("ghost direction", settings.GHOST)
    found = {}
    for statistics in layers.GHOST_STATISTICS:
        build = functools.partial(
            layers.GhostBatchNorm,
            settings.GHOST[-1],
            ghost_size=16,
            ghost_statistics=statistics,
        )
        graph, params, stats = networks.drawn(build)

        def weighed(params, x, graph=graph, stats=stats):
            norm = train_state.merge(graph, params, stats)
            y = norm(x, train=True)
            return (y * direction).sum(), (y, train_state.batch_stats_of(norm))

        gradients, (y, after) = jax.jit(jax.grad(weighed, (0, 1), has_aux=True))(
            params, x
        )
        found |= {f"{statistics} {name}": after[name] for name in after}
    # the statistics remembered have no part in what follows
    found |= {"y": y, "x": gradients[1], **gradients[0]}
    return found


def _value_and_gradients(
    function: Callable[..., jax.Array], *inputs: np.ndarray
) -> Arrays:
    arguments = tuple(range(len(inputs)))
    value, gradients = jax.value_and_grad(function, arguments)(
        *map(jnp.asarray, inputs)
    )
    return {"value": value} | {f"gradient {i}": g for i, g in enumerate(gradients)}


_CASES: Mapping[str, Callable[[], Arrays]] = {
    **{
        f"training {name}": functools.partial(training, name)
        for name in settings.TRAINED
    },
    "joint training": joint_training,
    **{name: functools.partial(adapting, name) for name in settings.ADAPTING},
    "sdn": scene_and_confusion,
    "losses": all_losses,
    "gradient reversal": gradient_reversal,
    "saar": actionness,
    "clip": clip,
    "cosine": cosine,
    "steps": steps,
    "ghost norm": ghost_norm,
}
CASES = (*(f"logits {name}" for name in settings.NETWORKS), *_CASES)


@functools.cache
def compute(case: str, dtype: str) -> Arrays:
    """Returns the arrays of one of `CASES`, in `float32` or `float64`."""
    kind, _, name = case.partition(" ")
    with jax.enable_x64(dtype == "float64"):
        found = logits(name, dtype) if kind == "logits" else _CASES[case]()
        return {name: np.asarray(array) for name, array in found.items()}
