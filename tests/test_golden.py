"""Our numbers against PyTorch's, by golden file everywhere and live where it is.

`tests/golden/torch_side.py` computes the expected side of every case, from the same
inputs and under the same names.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from smad_jax import aspects, losses
from smad_jax.methods import base, smad
from smad_jax.models import adversarial, layers, saar
from smad_jax.torch_weights import networks as flat
from smad_jax.training import optimizer, schedules
from smad_jax.training import state as state_lib
from smad_jax.training import step as step_lib
from tests import networks
from tests.golden import draws, make_torch, settings


class Golden:
    """Expected arrays of a case as the golden file keeps them."""

    def __init__(self) -> None:
        self._file = np.load(make_torch.FILE)

    def arrays(self, case):
        return {
            name: self._file[key]
            for key in self._file
            for found, _, name in [key.partition("|")]
            if found == case
        }

    @staticmethod
    def seen(array):
        return draws.digest(array)


class Live:
    """Expected arrays of a case as PyTorch computes them now."""

    def __init__(self) -> None:
        pytest.importorskip("torch")
        from tests.golden import torch_side

        self._cases = torch_side.CASES

    def arrays(self, case):
        return self._cases[case]()

    @staticmethod
    def seen(array):
        return np.asarray(array, np.float64)


@pytest.fixture(scope="module", params=[Golden, Live], ids=["golden", "live"])
def expected(request):
    return request.param()


def agree(expected, case, found, *, tolerance):
    """Every array of the case within `tolerance` of the largest value in it."""
    wanted = expected.arrays(case)
    assert wanted.keys() == found.keys()
    for name, want in wanted.items():
        got = expected.seen(found[name])
        scale = np.abs(want).max(initial=0)
        np.testing.assert_allclose(
            got, want, rtol=0, atol=tolerance * scale, err_msg=name
        )


def value_and_gradients(function, *inputs):
    value, gradients = jax.value_and_grad(function, tuple(range(len(inputs))))(*inputs)
    return {"value": value} | {f"gradient {i}": g for i, g in enumerate(gradients)}


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-5), ("float64", 1e-9)])
@pytest.mark.parametrize("name", settings.NETWORKS)
def test_logits_of_every_network_are_pytorchs(expected, name, dtype, tolerance):
    found = logits(name, dtype)
    agree(expected, f"logits {name}", {"logits": found}, tolerance=tolerance)


@functools.cache
def logits(name, dtype):
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
        return np.asarray(run(params, stats, video))


@pytest.mark.parametrize("name", settings.TRAINED)
def test_three_steps_of_smad_are_pytorchs(expected, name):
    agree(expected, f"training {name}", training(name), tolerance=1e-9)


def _trained(name):
    key = settings.TRAINED[name]
    if key in networks.SMALL:
        model = networks.small(key, settings.NUM_CLASSES)
    else:
        model = networks.whole(*key, settings.NUM_CLASSES, "float64")
    known = {
        name: aspects.Aspect(name, kind, size, "golden")
        for name, (kind, size) in settings.ASPECTS.items()
    }
    method = smad.Smad(
        model.backbone.width,
        known,
        ramp=schedules.constant_strength,
        rngs=nnx.Rngs(0),
        soft_ce_weight=0.5,
        kl_weight=0.5,
        tags_weight=5.0,
    )
    return base.Trained(model, method)


@functools.cache
def training(name):
    with jax.enable_x64(True):
        graph, params, stats = networks.drawn(lambda: _trained(name))
        direction = optimizer.build(
            "sgd", weight_decay=1e-4, momentum=0.9, clip_norm=settings.CLIP_NORM
        )
        state = state_lib.TrainState(
            jnp.zeros((), jnp.int32), params, stats, direction.init(params)
        )
        rate = schedules.cosine(**settings.TRAINING_SCHEDULE._asdict())
        take = step_lib.make_train_step(graph, base.loss, direction, rate)
        found = {}
        for step in range(settings.STEPS):
            batch = jax.tree.map(jnp.asarray, {"train": settings.batch(step)})
            state, metrics = take(state, batch, jax.random.key(0))
            found |= {
                f"{step}/{key}": np.asarray(value)
                for key, value in metrics.items()
                if key.startswith("loss/") or key in ("gradient_norm", "learning_rate")
            }
        after = flat.flatten(state.params, state.batch_stats)
        return found | {path: np.asarray(array) for path, array in after.items()}


def test_losses_and_their_gradients_are_pytorchs(expected):
    with jax.enable_x64(True):
        soft, tags = jnp.asarray(settings.SOFT_LABEL), jnp.asarray(settings.TAGS)
        label, mask = jnp.asarray(settings.LABEL), jnp.asarray(settings.MASK)
        size = soft.shape[1]
        functions = {
            "cross_entropy": lambda x: losses.cross_entropy(x, label).mean(),
            "soft_cross_entropy": lambda x: losses.soft_cross_entropy(x, soft).mean(),
            "kl batchmean": lambda x: losses.kl_divergence(x, soft).mean(),
            "kl mean": lambda x: losses.kl_divergence(x, soft).mean() / size,
            "tags": lambda x: losses.tag_cross_entropy(x, tags).mean(),
            "masked tags": lambda x: losses.masked_mean(
                losses.tag_cross_entropy(x, tags), mask
            ),
        }
        found = {
            f"{name} {part}": value
            for name, function in functions.items()
            for part, value in value_and_gradients(
                function, jnp.asarray(settings.LOGITS)
            ).items()
        }
        agree(expected, "losses", found, tolerance=1e-14)


def test_gradient_reversal_is_pytorchs(expected):
    with jax.enable_x64(True):
        features, head = draws.normal("features", (4, 7)), draws.normal("head", (7, 3))

        def loss(features, head):
            reversed_ = adversarial.reverse_gradient(features, 1.0)
            return jnp.tanh(reversed_ @ head).sum()

        found = value_and_gradients(loss, jnp.asarray(features), jnp.asarray(head))
        agree(expected, "gradient reversal", found, tolerance=1e-14)


def test_actionness_reweighting_is_pytorchs(expected):
    shape = (2, 3, 5, 7)
    with jax.enable_x64(True):
        feature_map = jnp.asarray(draws.normal("map", (*shape, 4)))
        score = 2 * jnp.asarray(draws.normal("score", shape))
        found = value_and_gradients(
            lambda *args: jnp.sin(saar.reweight(*args)).sum(), feature_map, score
        )
        agree(expected, "saar", found, tolerance=1e-13)


def test_clipping_at_and_around_the_limit_is_pytorchs(expected):
    clip = optimizer.clip_by_global_norm(40.0)
    with jax.enable_x64(True):
        found = {}
        for norm in settings.NORMS:
            gradients = jax.tree.map(jnp.asarray, settings.gradients(norm))
            clipped, _ = clip.update(gradients, optax.EmptyState())
            found[f"{norm}"] = np.concatenate([np.ravel(leaf) for leaf in clipped])
        agree(expected, "clip", found, tolerance=1e-15)


@pytest.mark.parametrize("case", ["cosine", "steps"])
@pytest.mark.parametrize(("x64", "tolerance"), [(True, 1e-12), (False, 1e-6)])
def test_learning_rates_of_a_whole_run_are_pytorchs(expected, case, x64, tolerance):
    per_epoch = settings.STEPS_PER_EPOCH
    with jax.enable_x64(x64):
        if case == "cosine":
            rate = schedules.cosine(**settings.SLOWONLY_SCHEDULE._asdict())
            number = settings.SLOWONLY_SCHEDULE.epochs * per_epoch
        else:
            rate = schedules.steps(0.01, milestones=(40, 80), steps_per_epoch=per_epoch)
            number = 100 * per_epoch
        found = {"rate": jax.vmap(rate)(jnp.arange(number, dtype=jnp.int32))}
        agree(expected, case, found, tolerance=tolerance)


def test_ghost_norm_is_eight_replicas_of_pytorchs(expected):
    with jax.enable_x64(True):
        x = jnp.asarray(draws.normal("ghost", settings.GHOST))
        direction = jnp.asarray(draws.normal("ghost direction", settings.GHOST))
        found = {}
        for statistics in layers.GHOST_STATISTICS:
            graph, params, stats = networks.drawn(
                lambda statistics=statistics: layers.GhostBatchNorm(
                    settings.GHOST[-1],
                    ghost_size=16,
                    ghost_statistics=statistics,
                    dtype="float64",
                )
            )

            def weighed(params, x, graph=graph, stats=stats):
                norm = state_lib.merge(graph, params, stats)
                y = norm(x, train=True)
                return (y * direction).sum(), (y, state_lib.batch_stats_of(norm))

            gradients, (y, after) = jax.jit(jax.grad(weighed, (0, 1), has_aux=True))(
                params, x
            )
            found |= {"y": y, "x": gradients[1], **gradients[0]}
            found |= {f"{statistics} {name}": after[name] for name in after}
        agree(expected, "ghost norm", found, tolerance=1e-12)


def test_golden_file_is_what_pytorch_computes_here():
    pytest.importorskip("torch")
    from tests.golden import torch_side

    with np.load(make_torch.FILE) as file:
        cases = {key.partition("|")[0] for key in file}
    assert cases == torch_side.CASES.keys()
