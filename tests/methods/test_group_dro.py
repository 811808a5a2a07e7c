import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smad_jax import errors
from smad_jax.base import aspect_table
from smad_jax.methods import base, group_dro
from smad_jax.training import train_state
from tests.helpers import debiasing, networks

B, T, H, W, K, D, G = 6, 3, 5, 2, 9, 7, 4
GROUP = aspect_table.Aspect("group", "soft", G, "test")
GROUPS = np.array([0, 2, 2, 0, 2, 1])


def batch(group=GROUPS, mask=(True,) * B):
    rng = np.random.default_rng(0)
    return {
        "train": {
            "video": rng.integers(0, 256, (B, T, H, W, 3), dtype=np.uint8),
            "label": np.arange(B) % K,
            "aspects": {"group": np.eye(G, dtype=np.float32)[group]},
            "aspect_mask": {"group": np.array(mask)},
        }
    }


def build(chosen=GROUP, **settings):
    method = debiasing.build("group_dro", D, [chosen] if chosen else (), **settings)
    return train_state.split(base.Trained(networks.Little(D, K), method))


def step(parts, data, *, weights=None):
    """Gradient, metrics and shares; with weights [B] those of a weighted mean."""
    graph, params, batch_stats = parts

    def objective(params):
        modules = train_state.merge(graph, params, batch_stats)
        if weights is not None:
            stream = data["train"]
            logits = modules.model(stream["video"], train=True).logits
            log_probabilities = jax.nn.log_softmax(logits)[
                jnp.arange(B), stream["label"]
            ]
            return -(weights * log_probabilities).sum(), -log_probabilities
        loss, metrics = base.loss(
            modules, data, key=jax.random.key(0), step=jnp.asarray(0)
        )
        moved = train_state.batch_stats_of(modules)["method"]["log_shares"]
        return loss, (metrics, jnp.exp(moved))

    gradient = jax.grad(objective, has_aux=True)
    return jax.jit(gradient, compiler_options=networks.QUICKLY)(params)


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def expected(each, step_size, over, group=GROUPS):
    """Shares [G + 1] and weights of the videos [B], by the publication's formulas."""
    present = [g for g in range(G + 1) if g in group]
    mean = np.zeros(G + 1)
    for g in present:
        mean[g] = each[group == g].mean()
    shares = np.exp(step_size * mean) / np.exp(step_size * mean).sum()
    scale = shares[present].sum() if over == "batch" else 1.0
    sizes = np.bincount(group, minlength=G + 1)
    return shares, shares[group] / sizes[group] / scale


@pytest.mark.parametrize("over", ["all", "batch"])
@pytest.mark.parametrize("step_size", [0.0, 0.5])
def test_step_is_that_of_the_videos_weighted_by_their_groups_shares(over, step_size):
    parts = build(step_size=step_size, over=over)
    _, each = step(parts, batch(), weights=np.zeros(B))
    shares, weights = expected(np.asarray(each), step_size, over)
    plain, _ = step(parts, batch(), weights=weights)
    found, (metrics, moved) = step(parts, batch())
    np.testing.assert_allclose(moved, shares, rtol=1e-5)
    np.testing.assert_allclose(flat(found["model"]), flat(plain["model"]), atol=1e-5)
    assert float(metrics["loss"]) == pytest.approx(float(weights @ each), rel=1e-5)
    assert weights.sum() == pytest.approx(1 if over == "batch" else shares[:3].sum())


def test_shares_grow_step_by_step_for_the_groups_that_lose_most():
    graph, params, stats = build(step_size=0.5)
    _, (_, first) = step((graph, params, stats), batch())
    stats["method"]["log_shares"] = jnp.log(first)
    _, (metrics, second) = step((graph, params, stats), batch())
    _, each = step((graph, params, stats), batch(), weights=np.zeros(B))
    shares, _ = expected(np.asarray(each), 2 * 0.5, "all")
    np.testing.assert_allclose(second, shares, rtol=1e-5)
    assert second[3] == second[4] == min(second), "groups that were not there"
    assert float(metrics["group/largest_share"]) == float(max(second))


def test_learned_groups_alone_in_a_batch_have_a_finite_loss():
    graph, params, stats = build(step_size=0.5, over="batch")
    tiny = jnp.array([-200.0, -300.0, -250.0, -200.0, 0.0])  # exp of these is 0
    stats["method"]["log_shares"] = tiny
    _, each = step((graph, params, stats), batch(), weights=np.zeros(B))
    _, (metrics, _) = step((graph, params, stats), batch())
    assert float(metrics["loss"]) == pytest.approx(
        float(each[0] + each[3]) / 2, rel=1e-5
    )


def test_videos_without_a_group_are_one():
    mask = np.array([True, True, False, True, True, False])
    parts = build(step_size=0.5, over="batch")
    _, each = step(parts, batch(mask=mask), weights=np.zeros(B))
    group = np.where(mask, GROUPS, G)
    shares, weights = expected(np.asarray(each), 0.5, "batch", group)
    _, (metrics, moved) = step(parts, batch(mask=mask))
    np.testing.assert_allclose(moved, shares, rtol=1e-5)
    assert float(metrics["loss"]) == pytest.approx(float(weights @ each), rel=1e-5)


def test_means_of_groups_by_hand():
    mean, present = group_dro.group_means(
        jnp.array([1.0, 2.0, 4.0, 6.0]), jnp.array([2, 0, 2, 2]), 4
    )
    np.testing.assert_allclose(mean, [2, 0, 11 / 3, 0])
    assert present.tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    ("chosen", "settings", "named"),
    [
        (None, {}, r"named by data\.groups.*it has none"),
        (aspect_table.Aspect("group", "tags", G, "test"), {}, "with soft labels"),
        (GROUP, {"over": "epoch"}, r"\.over .*all, batch"),
        (GROUP, {"step_size": -1.0}, "step_size .* at least 0"),
    ],
)
def test_what_group_dro_cannot_work_with_is_refused(chosen, settings, named):
    with pytest.raises(errors.ConfigError, match=named):
        build(chosen, **settings)
