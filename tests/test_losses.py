import jax
import jax.numpy as jnp
import numpy as np
import pytest

from smad_jax import losses

B, Z = 3, 4


def _log_of(probabilities):
    """Logits whose softmax is `probabilities`."""
    return jnp.log(jnp.array(probabilities, jnp.float32))


def _random(seed):
    rng = np.random.default_rng(seed)
    logits = jnp.asarray(3 * rng.standard_normal((B, Z)), jnp.float32)
    return logits, jnp.asarray(rng.dirichlet(np.ones(Z), B), jnp.float32)


def test_cross_entropy_is_minus_the_log_of_the_true_class():
    logits = _log_of([[0.125, 0.25, 0.625], [0.5, 0.25, 0.25]])
    loss = losses.cross_entropy(logits, jnp.array([1, 0]))
    np.testing.assert_allclose(loss, [np.log(4), np.log(2)], rtol=1e-6)


def test_soft_cross_entropy_is_equation_3():
    logits = _log_of([[0.5, 0.25, 0.25]])
    loss = losses.soft_cross_entropy(logits, jnp.array([[0.25, 0.75, 0.0]]))
    # 0.25 log 2 + 0.75 log 4
    np.testing.assert_allclose(loss, [1.75 * np.log(2)], rtol=1e-6)


def test_kl_divergence_is_equation_4_with_zero_log_zero_as_zero():
    logits = _log_of([[0.5, 0.25, 0.25]])
    loss = losses.kl_divergence(logits, jnp.array([[0.25, 0.75, 0.0]]))
    expected = 0.25 * np.log(0.25 / 0.5) + 0.75 * np.log(0.75 / 0.25)
    np.testing.assert_allclose(loss, [expected], rtol=1e-6)


def test_kl_divergence_is_zero_where_the_prediction_is_the_label():
    _, label = _random(0)
    np.testing.assert_allclose(
        losses.kl_divergence(jnp.log(label), label), np.zeros(B), atol=1e-6
    )


def test_soft_cross_entropy_and_kl_divergence_differ_by_the_entropy_of_the_label():
    logits, label = _random(1)
    difference = losses.soft_cross_entropy(logits, label) - losses.kl_divergence(
        logits, label
    )
    np.testing.assert_allclose(difference, losses.entropy(jnp.log(label)), rtol=1e-5)


@pytest.mark.parametrize("zeros", [False, True])
def test_soft_cross_entropy_and_kl_divergence_have_the_same_gradient(zeros):
    logits, label = _random(2)
    label = jnp.eye(Z)[:B] if zeros else label
    gradients = [
        jax.grad(lambda logits, loss=loss: loss(logits, label).sum())(logits)
        for loss in (losses.soft_cross_entropy, losses.kl_divergence)
    ]
    np.testing.assert_array_equal(*gradients)
    np.testing.assert_allclose(gradients[0], jax.nn.softmax(logits) - label, atol=1e-6)


def test_tag_cross_entropy_averages_over_tags():
    logits = jnp.array([[0.0, 0.0], [np.log(3.0), -np.log(3.0)]])
    tags = jnp.array([[1, 0], [1, 1]])
    # sigmoid(log 3) = 3/4, so the second video pays -log(3/4) and -log(1/4)
    expected = [np.log(2), (np.log(4 / 3) + np.log(4)) / 2]
    np.testing.assert_allclose(
        losses.tag_cross_entropy(logits, tags), expected, rtol=1e-6
    )


def test_tag_cross_entropy_and_its_gradient_are_finite_at_extreme_logits():
    logits = jnp.array([[1e4, -1e4, 1e4, -1e4]])
    tags = jnp.array([[1, 0, 0, 1]])
    np.testing.assert_allclose(losses.tag_cross_entropy(logits, tags), [5e3])
    gradient = jax.grad(lambda x: losses.tag_cross_entropy(x, tags).sum())(logits)
    np.testing.assert_allclose(gradient, [[0, 0, 0.25, -0.25]], atol=1e-7)


def test_entropy_lies_between_zero_and_log_k():
    logits = jnp.array([[2.0, 2.0, 2.0], [0.0, -np.inf, -np.inf]])
    np.testing.assert_allclose(losses.entropy(logits), [np.log(3), 0], atol=1e-6)


@pytest.mark.parametrize(
    "loss", [losses.soft_cross_entropy, losses.kl_divergence], ids=lambda f: f.__name__
)
def test_an_impossible_label_of_weight_zero_costs_nothing(loss):
    logits = jnp.array([[0.0, 0.0, -np.inf]])
    label = jnp.array([[0.5, 0.5, 0.0]])
    value, gradient = jax.value_and_grad(lambda x: loss(x, label).sum())(logits)
    expected = np.log(2) if loss is losses.soft_cross_entropy else 0
    np.testing.assert_allclose(value, expected, atol=1e-6)
    np.testing.assert_allclose(gradient, np.zeros((1, 3)), atol=1e-6)


def test_narrow_logits_and_labels_are_widened():
    logits, label = _random(3)
    narrow = logits.astype(jnp.bfloat16)
    for loss in (losses.soft_cross_entropy, losses.kl_divergence):
        value = loss(narrow, label.astype(jnp.float16))
        assert value.dtype == jnp.float32
        wide = loss(narrow.astype(jnp.float32), label)
        np.testing.assert_allclose(value, wide, atol=5e-3)


def test_masked_mean_ignores_what_the_mask_hides():
    values = jnp.array([1.0, np.nan, 4.0])
    mask = jnp.array([True, False, True])
    assert losses.masked_mean(values, mask) == 2.5
    assert losses.masked_mean(values, jnp.zeros(3, bool)) == 0
    gradient = jax.grad(losses.masked_mean)(values, mask)
    np.testing.assert_array_equal(gradient, [0.5, 0, 0.5])


def test_shapes_that_do_not_fit_are_named():
    logits = jnp.zeros((B, Z))
    with pytest.raises(ValueError, match=r"label must be \(3,\).* is \(3, 4\)"):
        losses.cross_entropy(logits, jnp.zeros((B, Z), jnp.int32))
    with pytest.raises(ValueError, match=r"soft_label must be \(3, 4\).* is \(3,\)"):
        losses.soft_cross_entropy(logits, jnp.zeros(B))
    with pytest.raises(ValueError, match="tags must be"):
        losses.tag_cross_entropy(logits, jnp.zeros((B, Z + 1)))
    with pytest.raises(ValueError, match="mask must be"):
        losses.masked_mean(jnp.zeros(B), jnp.ones((B, 1), bool))


S, N, D = 6, 4, 3


def _features(seed):
    rng = np.random.default_rng(seed)
    source, target = rng.normal(size=(S, D)), 0.5 + rng.normal(size=(N, D))
    return jnp.asarray(source, jnp.float32), jnp.asarray(target, jnp.float32)


@pytest.mark.parametrize("distance", [1e-3, 1.0, 300.0])
def test_mmd_of_two_single_features_is_the_same_at_any_distance(distance):
    source, target = jnp.zeros((1, 2)), jnp.array([[0.6, 0.8]]) * distance
    # each Gaussian i of five: 1 + 1 - 2 exp(-4 / 2^i)
    np.testing.assert_allclose(losses.mmd(source, target), 6.186276, rtol=1e-5)


def test_mmd_is_the_mean_of_gaussians_over_all_pairs():
    source, target = (np.asarray(part, np.float64) for part in _features(0))
    joined = [*source, *target]
    pairs = [
        (a, b) for i, a in enumerate(joined) for j, b in enumerate(joined) if i - j
    ]
    middle = np.mean([((a - b) ** 2).sum() for a, b in pairs])

    def mean(first, second):
        widths = [middle / 4, middle / 2, middle, 2 * middle, 4 * middle]
        return np.mean(
            [
                sum(np.exp(-((a - b) ** 2).sum() / width) for width in widths)
                for a in first
                for b in second
            ]
        )

    expected = mean(source, source) + mean(target, target) - 2 * mean(source, target)
    np.testing.assert_allclose(losses.mmd(*_features(0)), expected, rtol=1e-5)
    np.testing.assert_allclose(losses.mmd(*_features(0)[::-1]), expected, rtol=1e-5)


def test_mmd_of_equal_sets_is_zero_in_any_order_and_positive_otherwise():
    source, target = _features(1)
    assert abs(float(losses.mmd(source, source[::-1]))) < 1e-6
    assert float(losses.mmd(source, target)) > 0.1


def test_mmd_of_equal_features_is_zero_in_value_and_gradient():
    equal = jnp.ones((S, D))
    value, gradient = jax.value_and_grad(losses.mmd)(equal, equal[:N])
    assert abs(float(value)) < 1e-6
    np.testing.assert_array_equal(gradient, np.zeros((S, D)))


def test_mmd_does_not_change_when_all_features_move_turn_and_grow():
    source, target = _features(2)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(D, D)))[0]
    moved = [
        3 * (part @ jnp.asarray(turn, jnp.float32)) + 5 for part in (source, target)
    ]
    np.testing.assert_allclose(
        losses.mmd(*moved), losses.mmd(source, target), rtol=1e-4
    )


def test_mmd_of_far_sets_with_a_fixed_bandwidth_is_twice_the_number_of_kernels():
    source, target = jnp.zeros((1, D)), jnp.full((1, D), 1e3)
    for kernels in (1, 5):
        value = losses.mmd(source, target, num_kernels=kernels, bandwidth=2.0)
        assert float(value) == 2 * kernels


def test_no_gradient_flows_through_the_bandwidth():
    with jax.enable_x64(True):
        source, target = (jnp.asarray(part, jnp.float64) for part in _features(3))
        joined = np.concatenate([source, target])
        distance = ((joined[:, None] - joined) ** 2).sum(-1)
        middle = float(distance.sum() / (len(joined) * (len(joined) - 1)))
        gradient = jax.grad(losses.mmd)(source, target)
        nudge = np.zeros((S, D))
        nudge[4, 1] = 1e-6
        up, down = (
            losses.mmd(source + sign * nudge, target, bandwidth=middle)
            for sign in (1, -1)
        )
        np.testing.assert_allclose(gradient[4, 1], (up - down) / 2e-6, rtol=1e-6)


def test_linear_mmd_is_the_squared_distance_of_the_means():
    source, target = jnp.array([[0.0, 2.0], [4.0, 0.0]]), jnp.array([[-1.0, 1.0]])
    np.testing.assert_allclose(losses.linear_mmd(source, target), 9.0)


@pytest.mark.parametrize("distance", [losses.mmd, losses.linear_mmd])
def test_sets_of_features_of_different_size_are_refused(distance):
    with pytest.raises(ValueError, match=r"they are \(6, 3\) and \(4, 2\)"):
        distance(jnp.zeros((6, 3)), jnp.zeros((4, 2)))
