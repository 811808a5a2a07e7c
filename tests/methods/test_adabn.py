import functools
import itertools

import jax
import numpy as np
import pytest
from flax import nnx

from smad_jax import errors
from smad_jax.evaluation import predict
from smad_jax.methods import base
from smad_jax.models import layers, recognizer, statistics
from smad_jax.training import sharding, train_state
from tests.helpers import debiasing

V, N, T, H, W, K, D = 11, 4, 3, 5, 2, 9, 7


class Deep(nnx.Module):
    """A network with three batch norms one after the other."""

    def __init__(self, ghost_size=2):
        rngs, sizes = nnx.Rngs(0), (3 * T, D, 8, 6)
        self.fcs, self.bns = nnx.List([]), nnx.List([])
        for size, out in itertools.pairwise(sizes):
            self.fcs.append(layers.Linear(size, out, scale=1.0, rngs=rngs))
            self.bns.append(layers.GhostBatchNorm(out, ghost_size=ghost_size))
        self.head = layers.Linear(sizes[-1], K, scale=1.0, rngs=rngs)

    def __call__(self, video, *, train, key=None):
        x = (video / 255.0).mean(axis=(2, 3)).reshape(len(video), -1)
        for fc, bn in zip(self.fcs, self.bns, strict=True):
            x = jax.nn.relu(bn(fc(x), train=train))
        feature_map = x[:, None, None, None]
        return recognizer.Output(self.head(x), x, feature_map, None)


def videos(seed=0, count=V):
    rng = np.random.default_rng(seed)
    bright = rng.integers(1, 256, (count, 1, 1, 1, 1, 1))
    return (rng.random((count, N, T, H, W, 3)) * bright).astype(np.uint8)


def method_of(**settings):
    return debiasing.build("adabn", D, **settings)


def split_into(clips, sizes):
    borders = np.cumsum((0, *sizes))
    assert borders[-1] == len(clips)
    return lambda: (clips[i:j] for i, j in itertools.pairwise(borders))


def stored(model):
    return [
        (np.asarray(bn.mean[...]), np.asarray(bn.var[...]))
        for bn in statistics.batch_norms(model)
    ]


def observed(model, clips):
    """What enters each batch norm when the clips pass the model as it is."""
    seen = []
    x = (clips / 255.0).mean(axis=(2, 3)).reshape(len(clips), -1)
    for fc, bn in zip(model.fcs, model.bns, strict=True):
        x = np.asarray(x @ np.asarray(fc.kernel[...]) + np.asarray(fc.bias[...]))
        seen.append((x.mean(axis=0), x.var(axis=0)))
        y = (x - np.asarray(bn.mean[...])) / np.sqrt(np.asarray(bn.var[...]) + 1e-5)
        x = np.maximum(y * np.asarray(bn.scale[...]) + np.asarray(bn.bias[...]), 0)
    return seen


def close(found, expected, within):
    for (mean, var), (true_mean, true_var) in zip(found, expected, strict=True):
        scale = np.sqrt(true_var + 1e-5)
        if np.abs(mean - true_mean).max() > within * scale.max():
            return False
        if np.abs(var - true_var).max() > within * true_var.max():
            return False
    return True


def test_moments_of_parts_are_those_of_the_whole():
    values = np.array([[1.0], [2.0], [4.0], [8.0], [12.0]])
    parts = [
        statistics.Moments(len(part), (part.mean(0),), (part.var(0),))
        for part in (values[:2], values[2:3], values[3:])
    ]
    whole = statistics.combine(jax.tree.map(lambda *each: np.stack(each), *parts))
    assert whole.num_clips == 5
    np.testing.assert_allclose(whole.means[0], values.mean(0), rtol=1e-12)
    np.testing.assert_allclose(whole.variances[0], values.var(0), rtol=1e-12)


@pytest.mark.parametrize("sizes", [(11,), (6, 5), (3, 3, 2, 2, 1)])
def test_first_layer_gets_the_statistics_of_the_set_however_it_is_split(sizes):
    model, clips = Deep(), videos()[:, 0]
    method_of().adapt(model, split_into(clips, sizes))
    assert close(stored(model)[:1], observed(model, clips)[:1], 1e-5)


def test_every_layer_gets_the_statistics_of_a_set_of_one_batch():
    model, clips = Deep(), videos()[:, 0]
    assert not close(stored(model), observed(model, clips), 0.1)
    method_of().adapt(model, split_into(clips, (V,)))
    assert close(stored(model), observed(model, clips), 1e-4)


def test_layer_by_layer_is_exact_where_one_pass_is_not():
    clips, sizes = videos()[:, 0], (3, 3, 2, 2, 1)
    one, exact = Deep(), Deep()
    method_of().adapt(one, split_into(clips, sizes))
    assert not close(stored(one), observed(one, clips), 1e-2)
    method_of(form="layer_by_layer").adapt(exact, split_into(clips, sizes))
    assert close(stored(exact), observed(exact, clips), 1e-4)


def test_nothing_but_statistics_changes_and_inference_is_as_before():
    model = Deep()
    before = jax.tree.map(np.array, nnx.to_pure_dict(nnx.state(model, nnx.Param)))
    graph = nnx.graphdef(model)
    method_of(form="layer_by_layer").adapt(model, split_into(videos()[:, 0], (6, 5)))
    after = nnx.to_pure_dict(nnx.state(model, nnx.Param))
    jax.tree.map(np.testing.assert_array_equal, before, after)
    assert nnx.graphdef(model) == graph


def test_adapting_to_what_it_was_trained_on_changes_what_the_moving_average_missed():
    count = 100  # the running variance is count / (count - 1) of the set's
    model, clips, missed = Deep(ghost_size=count), videos(count=count)[:, 0], []
    for steps in (1, 200):
        for _ in range(steps):
            model(clips, train=True)
        before = model(clips, train=False).logits
        adapted = nnx.clone(model)
        method_of().adapt(adapted, split_into(clips, (count,)))
        change = np.abs(adapted(clips, train=False).logits - before)
        missed.append(change.max() / np.ptp(before))
    assert missed[0] > 0.1 and missed[1] < 0.02
    for (mean, var), (own_mean, own_var) in zip(
        stored(model), stored(adapted), strict=True
    ):
        np.testing.assert_allclose(mean, own_mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(var * (count - 1) / count, own_var, rtol=1e-4)


def batches(video, size, unreadable=()):
    """Rows in batches of `size`, the last one padded with a bright video."""
    for start in range(0, len(video), size):
        part = video[start : start + size]
        padding = size - len(part)
        index = np.minimum(np.arange(start, start + size), len(video) - 1)
        bright = np.full((padding, *video.shape[1:]), 255, np.uint8)
        yield {
            "video": np.concatenate([part, bright]),
            "label": np.zeros(size, np.int32),
            "index": index.astype(np.int32),
            "mask": np.arange(size) < len(part),
            "unreadable": np.isin(index, unreadable),
        }


def predictor(name="adabn"):
    method = debiasing.build(name, D)
    graph, *arrays = train_state.split(base.Trained(Deep(), method))
    placed = sharding.replicate(tuple(arrays), sharding.make_mesh())
    return predict.Predictor(graph, *placed, view_chunk=8)


def test_each_set_is_predicted_with_statistics_of_its_own_videos_alone():
    first, second = videos(), videos(seed=1, count=6)
    twice, once = predictor(), predictor()
    trained = once.views(second)["logits"]
    twice.adapt(functools.partial(batches, first, 4))
    twice.adapt(functools.partial(batches, second, 4, unreadable=[2]))
    once.adapt(functools.partial(batches, second[[0, 1, 3, 4, 5]], 3))
    model = Deep()
    readable = second[[0, 1, 3, 4, 5]]
    clips = [
        readable[rows, view] for rows in (slice(3), slice(3, 5)) for view in range(N)
    ]
    method_of().adapt(model, lambda: iter(clips))
    by_hand = model(second[:, 1], train=False).logits
    adapted = once.views(second)["logits"]
    np.testing.assert_allclose(adapted[:, 1], by_hand, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(twice.views(second)["logits"], adapted, atol=1e-5)
    assert np.abs(adapted - trained).max() > 1


def test_other_methods_are_tested_as_they_were_trained():
    plain = predictor("baseline")
    before = plain.views(videos())["logits"]
    plain.adapt(functools.partial(batches, videos(), 4))
    np.testing.assert_array_equal(plain.views(videos())["logits"], before)


def test_set_without_a_readable_clip_is_an_error():
    with pytest.raises(errors.DataError, match="no clip of the test set"):
        predictor().adapt(
            functools.partial(batches, videos(count=3), 4, unreadable=[0, 1, 2])
        )


def test_form_that_does_not_exist_is_refused():
    with pytest.raises(errors.ConfigError, match="one_pass, layer_by_layer"):
        method_of(form="exact")
