import jax
import numpy as np
import pytest
from flax import nnx

from smad_jax import errors, models
from smad_jax.evaluation import cam, predict, predictions
from smad_jax.methods import base
from smad_jax.training import sharding, train_state
from tests.helpers import debiasing

V, N, T, H, W, K = 7, 3, 4, 10, 12, 5


def predictor(view_chunk, saar=False):
    model = models.build_model("slowonly_tiny", K, saar=saar, rngs=nnx.Rngs(0))
    method = debiasing.build("baseline", model.backbone.width)
    graph, *arrays = train_state.split(base.Trained(model, method))
    params, batch_stats = sharding.replicate(tuple(arrays), sharding.make_mesh())
    return predict.Predictor(graph, params, batch_stats, view_chunk=view_chunk)


def videos():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (V, N, T, H, W, 3), dtype=np.uint8)


def batches(video, size=4, order=None):
    """Rows in batches of `size`, the last one padded, as the pipeline gives them."""
    order = np.arange(V) if order is None else order
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        padding = size - len(rows)
        padded = np.concatenate([rows, np.zeros(padding, int)])
        yield {
            "video": video[padded],
            "label": (padded % K).astype(np.int32),
            "index": padded.astype(np.int32),
            "mask": np.arange(size) < len(rows),
            "unreadable": np.zeros(size, bool),
        }


def run(view_chunk, video, **kwargs):
    ids = np.array([f"v{i}" for i in range(V)])
    return predictor(view_chunk).run(batches(video, **kwargs), ids, np.arange(V) % K)


def test_chunk_size_changes_nothing():
    small = run(4, videos())
    large = run(64, videos())
    np.testing.assert_allclose(small.probabilities, large.probabilities, atol=1e-6)
    np.testing.assert_allclose(small.features, large.features, atol=1e-5)


def test_padded_rows_are_left_out_and_the_splits_order_is_kept():
    straight = run(8, videos())
    shuffled = run(8, videos(), size=3, order=np.array([6, 1, 0, 4, 2, 5, 3]))
    assert straight.probabilities.shape == (V, K)
    np.testing.assert_allclose(
        straight.probabilities, shuffled.probabilities, atol=1e-6
    )


def test_probabilities_are_the_mean_of_the_views_softmax():
    found = run(8, videos())
    logits = predictor(8).views(videos())["logits"]
    expected = np.asarray(jax.nn.softmax(logits)).mean(axis=1)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-6)


def test_videos_of_different_length_are_the_mean_of_their_own_views():
    counts = [3, 1, 5, 2, 8, 1, 6]
    rng = np.random.default_rng(1)
    video = [rng.integers(0, 256, (n, T, H, W, 3), np.uint8) for n in counts]

    def one_by_one():
        for row, clips in enumerate(video):
            yield {
                "video": clips[None],
                "label": np.array([row % K]),
                "index": np.array([row]),
                "mask": np.array([True]),
                "unreadable": np.array([False]),
            }

    network, ids = predictor(4), np.arange(V).astype(str)
    found = network.run(one_by_one(), ids, np.arange(V) % K)
    for row, clips in enumerate(video):
        every = [network.views(clip[None, None])["logits"] for clip in clips]
        expected = np.asarray(jax.nn.softmax(np.concatenate(every, 1))).mean(axis=1)[0]
        np.testing.assert_allclose(found.probabilities[row], expected, atol=1e-6)


def test_missing_and_repeated_videos_are_noticed():
    with pytest.raises(RuntimeError, match="the list holds 7"):
        run(8, videos(), order=np.array([0, 1, 2, 3]))
    with pytest.raises(RuntimeError, match="predicted 8 videos, 7 of them different"):
        run(8, videos(), order=np.array([0, 1, 2, 3, 4, 5, 6, 6]))


def test_unreadable_video_gets_no_probability():
    def broken():
        for batch in batches(videos()):
            batch["unreadable"] = batch["index"] == 2
            yield batch

    found = predictor(8).run(broken(), np.arange(V).astype(str), np.arange(V) % K)
    sums = found.probabilities.sum(axis=1)
    np.testing.assert_allclose(sums, np.arange(V) != 2, atol=1e-6)
    # a black clip has features too, which would reveal something of its labels
    assert found.features.any(axis=1).tolist() == (np.arange(V) != 2).tolist()
    assert found.answers[2] == -1 and found.unreadable == 1


def test_predictions_survive_the_disk(tmp_path):
    found = run(8, videos())
    found.save(tmp_path / "deep" / "set.npz")
    read = predictions.Predictions.load(tmp_path / "deep" / "set.npz")
    np.testing.assert_array_equal(read.ids, found.ids)
    np.testing.assert_array_equal(read.probabilities, found.probabilities)
    whole = (tmp_path / "deep" / "set.npz").read_bytes()
    (tmp_path / "deep" / "set.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(errors.DataError, match="holds no predictions of a run"):
        predictions.Predictions.load(tmp_path / "deep" / "set.npz")


def test_mean_of_a_class_activation_map_and_the_bias_are_the_logit():
    network, clips = predictor(8, saar=True), videos()[:, 0]
    maps = network.maps(clips)
    np.testing.assert_allclose(
        maps.logits, network.views(clips[:, None])["logits"][:, 0]
    )
    for answer in range(K):
        found = cam.class_activation(
            maps.feature_map, maps.kernel, np.full(len(clips), answer)
        )
        np.testing.assert_allclose(
            found.mean(axis=(1, 2, 3)) + maps.bias[answer],
            maps.logits[:, answer],
            rtol=1e-4,
            atol=1e-5,
        )
    assert maps.actionness is not None
