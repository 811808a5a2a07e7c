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
