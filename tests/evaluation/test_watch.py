import jax
import numpy as np
import optax
from flax import nnx

from smad_jax import models
from smad_jax.evaluation import watch
from smad_jax.methods import base
from smad_jax.training import log, train_state
from tests.helpers import debiasing

n, T, H, W = 3, 4, 8, 12


def make(name="slowonly_tiny"):
    model = models.build_model(name, 5, saar=True, rngs=nnx.Rngs(0))
    method = debiasing.build("baseline", model.backbone.width)
    return base.Trained(model, method)


def test_fixed_clips_are_seen_as_the_network_sees_them_and_reach_tensorboard(tmp_path):
    graph, state = train_state.create(make, optax.identity())
    clips = np.random.default_rng(0).integers(0, 256, (n, T, H, W, 3), np.uint8)
    look = watch.Watch(graph, clips)
    untrained = look(state)
    # SAAR starts with equal scores: every location counts once, and nothing shines
    np.testing.assert_allclose(untrained.actionness, 1.0)
    score = state.params["model"]["saar"]["score"]
    for name, leaf in score.items():
        score[name] = jax.random.normal(jax.random.key(1), leaf.shape)
    seen = look(state)
    assert seen.actionness.shape[:2] == (n, T)
    assert seen.actionness.std() > 0.01
    np.testing.assert_allclose(seen.actionness.mean(axis=(2, 3)), 1.0, rtol=1e-5)
    assert seen.pictures.shape == (n, 14 * H, 14 * W, 3)
    assert seen.pictures.dtype == np.uint8
    assert (seen.pictures != untrained.pictures).any()

    journal = log.Journal(tmp_path)
    journal.show(7, "look/actionness", *seen)
    journal.close()
    [file] = (tmp_path / "tensorboard").iterdir()
    content = file.read_bytes()
    assert content.count(b"look/actionness") == 2
    assert content.count(b"\x89PNG") == 1 or content.count(b"GIF8") == 1
    log.Journal(None).show(7, "look/actionness", *seen)  # of another process: nothing


def test_network_that_strides_over_time_is_watched_too():
    graph, state = train_state.create(lambda: make("resnet3d_tiny"), optax.identity())
    seen = watch.Watch(graph, np.zeros((n, 8, H, W, 3), np.uint8))(state)
    assert seen.actionness.shape[1] < 8
    assert seen.pictures.shape == (n, 14 * H, 14 * W, 3)
