"""Blocks that are computed again give the same gradient with less memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from smad_jax import errors, models
from smad_jax.methods import base
from smad_jax.models import layers, recognizer, resnet
from smad_jax.training import train_state
from tests.helpers import debiasing, networks
from tests.methods import test_every_method as every

B, T, H, W, K = 4, 4, 8, 10, 7
# ALBAR takes a gradient within its loss, and compiles for half a minute.
NAMES = ("baseline", pytest.param("albar", marks=pytest.mark.by_hand))


def make(name, remat, spec, dtype):
    factory = layers.Factory(nnx.Rngs(0), "kaiming", 2, "mean", dtype, remat)
    backbone = resnet.ResNet(spec, factory)
    model = recognizer.Recognizer(backbone, K, factory)
    settings = every.SETTINGS.get(name, {})
    return base.Trained(model, debiasing.build(name, backbone.width, **settings))


def gradient(name, remat, spec, dtype="float64"):
    """A function of parameters and batch, with what it is a function of."""
    graph, params, stats = networks.drawn(lambda: make(name, remat, spec, dtype), dtype)

    def objective(params, batch):
        modules = train_state.merge(graph, params, stats)
        key, step = jax.random.key(0), jnp.asarray(0)
        loss, _ = base.loss(modules, batch, key=key, step=step)
        return loss, train_state.batch_stats_of(modules)

    return jax.value_and_grad(objective, has_aux=True), params


def batch_of(batch, height, width):
    rng = np.random.default_rng(0)
    video = rng.integers(0, 256, (batch, T, height, width, 3), np.uint8)
    return {"train": {"video": video, "label": np.arange(batch) % K}}


@pytest.mark.parametrize("name", NAMES)
def test_loss_gradient_and_statistics_stay_the_same(name):
    with jax.enable_x64(True):
        found = []
        for remat in ("", "blocks"):
            of, params = gradient(name, remat, every.NETWORKS["slowonly"])
            compiled = jax.jit(of, compiler_options=networks.QUICKLY)
            found.append(compiled(params, batch_of(B, H, W)))
        # the trees too: paths in checkpoints
        assert jax.tree.structure(found[0]) == jax.tree.structure(found[1])
        pairs = zip(*map(jax.tree.leaves, found), strict=True)
        for a, b in pairs:
            np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-12 * np.abs(a).max())


# XLA for CPUs removes the barriers that keep it from merging the second computation
# with the first; other backends keep them until memory is planned.
AS_ELSEWHERE = networks.QUICKLY | {"xla_disable_hlo_passes": "cse_barrier_expander"}
DEEP = resnet.Spec(
    "basic",
    (3, 3),
    ((1, 1), (1, 1)),
    widths=(4, 8),
    stem_width=4,
    pool_window=None,
)


def test_memory_of_the_gradient_is_smaller():
    def needed(remat):
        of, params = gradient("baseline", remat, DEEP, "float32")
        compiled = jax.jit(of, compiler_options=AS_ELSEWHERE)
        compiled = compiled.lower(params, batch_of(16, 32, 32)).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert needed("blocks") < 0.6 * needed("")


def test_other_things_to_compute_again_are_refused():
    with pytest.raises(errors.ConfigError, match=r"unknown remat 'stage'"):
        models.build_model("tsn_tiny", K, remat="stage", rngs=nnx.Rngs(0))
