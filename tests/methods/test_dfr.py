import logging

import jax
import numpy as np
import pytest
from sklearn import linear_model, pipeline, preprocessing

from configs import base, slowonly_dfr
from smad_jax import errors
from smad_jax.base import aspect_table
from smad_jax.experiment.run import train_and_test
from smad_jax.methods import dfr
from smad_jax.training import checkpoint, log
from tests.helpers import debiasing, networks

V, D, K = 90, 5, 3
GROUP = aspect_table.Aspect("group", "soft", 3 * K, "test")


def examples(seed=0):
    rng = np.random.default_rng(seed)
    label = np.arange(V) % K
    features = rng.normal(size=(V, D)) * [1, 5, 0.1, 2, 1] + [0, 3, 1, -2, 0]
    features[:, 0] += label
    features[:, 1] -= 4 * (label == 1)
    features[:, 4] = 7.0  # without any spread
    return features.astype(np.float32), label


def stream_of(group, mask=None):
    features, label = examples()
    return {
        "features": features,
        "label": label,
        "aspects": {"group": np.eye(3 * K, dtype=np.float32)[group]},
        "aspect_mask": {"group": np.ones(V, bool) if mask is None else mask},
    }


def method_of(chosen=GROUP, **settings):
    return debiasing.build("dfr", D, [chosen] if chosen else (), **settings)


def reference(features, label, inverse_penalty):
    """Scikit-learn's standardised L1 regression; probabilities of all videos."""
    model = pipeline.make_pipeline(
        preprocessing.StandardScaler(),
        linear_model.LogisticRegression(
            C=inverse_penalty, l1_ratio=1, solver="saga", tol=1e-6, max_iter=20_000
        ),
    )
    return model.fit(features.astype(float), label).predict_proba(features)


@pytest.mark.parametrize("inverse_penalty", [1.0, 0.05])
def test_fit_on_groups_of_one_size_is_scikit_learns(inverse_penalty):
    model = networks.Little(D, K)
    kernel_before = np.asarray(model.fc.kernel[...])
    group = 3 * (np.arange(V) % K) + (np.arange(V) // K) % 3
    assert set(np.bincount(group)) == {V // 9}
    stream = stream_of(group)
    method = method_of(inverse_penalty=inverse_penalty)
    method.refit(model, stream, rng=np.random.default_rng(0))
    found = jax.nn.softmax(model.head(stream["features"]))
    expected = reference(stream["features"], stream["label"], inverse_penalty)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    np.testing.assert_array_equal(model.fc.kernel[...], kernel_before)


def test_penalty_makes_the_kernel_sparse_but_not_the_bias():
    features, label = examples()
    features = (features - features.mean(0)) / np.maximum(features.std(0), 1e-3)
    label = np.where(label == 2, 0, label)  # class 0 twice as often as class 1
    kernel, bias = dfr.fit(features, label, 2, penalty=1.0)
    np.testing.assert_array_equal(kernel, 0)
    assert bias[0] - bias[1] == pytest.approx(np.log(2), abs=1e-3)
    kernel, _ = dfr.fit(features, label, 2, penalty=0.1)
    used = np.abs(kernel).max(axis=1) > 0
    assert 0 < used.sum() < D


def test_every_group_gives_as_many_as_the_smallest_and_none_twice():
    group = np.array([4] * 20 + [7] * 5 + [-1] * 9 + [0] * 11)
    draws = [dfr.balanced_rows(group, np.random.default_rng(s)) for s in range(30)]
    for rows in draws:
        assert len(set(rows)) == len(rows)
        assert np.bincount(group[rows], minlength=8).tolist() == [
            5,
            *[0] * 3,
            5,
            0,
            0,
            5,
        ]
    assert set(np.concatenate(draws)) == set(np.flatnonzero(group >= 0))


def test_layers_of_several_draws_are_averaged():
    group = np.where(np.arange(V) < 60, 0, 1)
    heads = []
    for draws, seeds in ((1, [0]), (2, [0])):
        model = networks.Little(D, K)
        rng = np.random.default_rng(*seeds)
        method_of(draws=draws).refit(model, stream_of(group), rng=rng)
        heads.append(np.asarray(model.head.kernel[...]))
    model, rng = networks.Little(D, K), np.random.default_rng(0)
    dfr.balanced_rows(group, rng)  # the first draw
    method_of().refit(model, stream_of(group), rng=rng)
    second = np.asarray(model.head.kernel[...])
    assert np.abs(second - heads[0]).max() > 1e-2
    np.testing.assert_allclose(heads[1], (heads[0] + second) / 2, atol=1e-5)


def test_videos_without_a_group_are_left_out():
    stream = stream_of(np.zeros(V, int), mask=np.zeros(V, bool))
    with pytest.raises(errors.DataError, match=r"no video .* has a group"):
        method_of().refit(networks.Little(D, K), stream, rng=np.random.default_rng(0))


def test_run_fits_once_on_videos_that_it_was_not_trained_on(
    small_data, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(log.logger, "propagate", True)
    config = base.smoke(slowonly_dfr.get_config())
    config.data.root = str(small_data)
    config.evaluation.sets.iid = config.evaluation.sets.tail = ""
    with caplog.at_level(logging.INFO):
        results = train_and_test(config, tmp_path)
        assert "fitted again to features of 3 videos" in caplog.text
        assert "13 videos of 10 classes" in caplog.text
        with checkpoint.Checkpoints(tmp_path / "checkpoints") as checkpoints:
            assert checkpoints.latest_step() == 2 + 1
        caplog.clear()
        assert train_and_test(config, tmp_path) == results
        assert "fitted again" not in caplog.text


@pytest.mark.parametrize(
    ("chosen", "settings", "named"),
    [
        (None, {}, r"named by data\.groups.*it has none"),
        (GROUP, {"draws": 0}, r"draws .* at least 1"),
        (GROUP, {"inverse_penalty": 0.0}, r"inverse_penalty .* above 0"),
    ],
)
def test_what_dfr_cannot_work_with_is_refused(chosen, settings, named):
    with pytest.raises(errors.ConfigError, match=named):
        method_of(chosen, **settings)
