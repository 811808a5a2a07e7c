import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from smad_jax import errors, models
from smad_jax.torch_weights import networks, weights
from smad_jax.training import checkpoint, train_state

K = 7


def fresh(num_classes=K, *, seed=0, **settings):
    rngs = nnx.Rngs(seed)
    module = models.build_model("slowonly_r18", num_classes, rngs=rngs, **settings)
    return train_state.split(module)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    _, params, batch_stats = fresh(seed=1)
    batch_stats = jax.tree.map(lambda a: a + 2, batch_stats)
    arrays = networks.flatten(params, batch_stats)
    path = tmp_path_factory.mktemp("weights") / "folder"
    network = networks.Network("slowonly_r18", K)
    manifest = weights.Manifest(network, "mmaction2", "a.pth", "ab12", ("x",), ("y",))
    weights.save_weights(path, {k: np.asarray(v) for k, v in arrays.items()}, manifest)
    return path


def assert_equal(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_a_folder_gives_back_the_trees_of_split(folder):
    _, params, batch_stats = fresh(seed=1)
    found = weights.load_weights(folder)
    assert_equal(found[0], params)
    assert_equal(found[1], jax.tree.map(lambda a: a + 2, batch_stats))


def test_a_folder_says_where_its_weights_come_from(folder):
    _, manifest = weights.load_arrays(folder)
    assert manifest.network == networks.Network("slowonly_r18", K)
    content = json.loads((folder / "weights.json").read_text())
    assert content["source"] == "a.pth"
    assert content["sha256"] == "ab12"
    assert content["layout"] == "mmaction2"


def test_a_folder_is_not_written_over(folder):
    arrays, manifest = weights.load_arrays(folder)
    with pytest.raises(errors.ConfigError, match="exists; choose another"):
        weights.save_weights(folder, arrays, manifest)


def test_a_folder_gives_the_model_itself(folder):
    model = weights.load_model(folder)
    assert_equal(train_state.split(model)[1:], weights.load_weights(folder))
    video = jnp.zeros((1, 2, 33, 35, 3), jnp.uint8)
    output = nnx.jit(model, static_argnames="train")(video, train=False)
    assert output.logits.shape == (1, K)


def test_initialise_puts_all_arrays_into_a_fresh_model(folder):
    _, params, batch_stats = fresh(seed=2)
    found = weights.initialise(params, batch_stats, folder)
    assert_equal(found, weights.load_weights(folder))
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(found))


def test_initialise_keeps_the_model_s_dtypes(folder):
    trees = jax.tree.map(lambda a: a.astype(jnp.bfloat16), fresh()[1:])
    found = weights.initialise(*trees, folder)
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {jnp.dtype("bfloat16")}


def test_a_stem_for_rgb_and_differences_starts_with_the_filters_of_rgb(folder):
    _, params, batch_stats = fresh(input="rgb+difference")
    found, _ = weights.initialise(params, batch_stats, folder)
    expected, _ = weights.load_weights(folder)
    kernel = expected["backbone"]["conv1"].pop("kernel")
    both = found["backbone"]["conv1"].pop("kernel")
    np.testing.assert_array_equal(both, np.concatenate([kernel, kernel], axis=3))
    assert_equal(found, expected)


def test_another_number_of_classes_must_be_allowed(folder):
    _, params, batch_stats = fresh(K + 4, seed=2)
    with pytest.raises(errors.DataError, match=r"head/bias is \(7,\) .* \(11,\)"):
        weights.initialise(params, batch_stats, folder)
    found, _ = weights.initialise(params, batch_stats, folder, allow=["head/*"])
    assert_equal(found["head"], params["head"])
    assert_equal(found["backbone"], weights.load_weights(folder)[0]["backbone"])


def test_saar_must_be_allowed_to_start_fresh(folder):
    _, params, batch_stats = fresh(saar=True, seed=2)
    with pytest.raises(
        errors.DataError,
        match=r"is without SAAR, .*config\.model\.saar=False \(saar=off.*"
        r"--config\.init\.allow=\"\('head/\*', 'saar/\*'\)\"",
    ):
        weights.initialise(params, batch_stats, folder, allow=["head/*"])
    trees = weights.initialise(params, batch_stats, folder, allow=["saar/*"])
    assert_equal(trees[0]["saar"], params["saar"])
    assert_equal(trees[1]["saar"], batch_stats["saar"])
    assert_equal(trees[0]["head"], weights.load_weights(folder)[0]["head"])


def test_weights_with_saar_for_a_model_without_it_are_named(folder, tmp_path):
    arrays = networks.flatten(*fresh(saar=True, seed=2)[1:])
    arrays = {path: np.asarray(array) for path, array in arrays.items()}
    weights.save_weights(tmp_path / "saar", arrays, weights.load_arrays(folder)[1])
    trees = fresh(seed=2)[1:]
    with pytest.raises(errors.DataError, match=r"is with SAAR, .*saar=True \(saar=on"):
        weights.initialise(*trees, tmp_path / "saar")
    found = weights.initialise(*trees, tmp_path / "saar", allow=["saar/*"])
    np.testing.assert_array_equal(found[0]["head"]["bias"], arrays["head/bias"])


def test_weights_of_another_model_are_refused(folder):
    _, params, batch_stats = train_state.split(
        models.build_model("resnet18", K, rngs=nnx.Rngs(0))
    )
    with pytest.raises(
        errors.DataError, match=r"slowonly_r18\) does not fit"
    ) as caught:
        weights.initialise(params, batch_stats, folder)
    assert str(caught.value).count("layer3/") == 4
    assert str(caught.value).count("layer4/") == 4


@pytest.mark.parametrize("damage", ["missing", "no json", "cut", "other", "shortcut"])
def test_damaged_folders_are_errors(folder, damage, tmp_path):
    path = tmp_path / "copy"
    if damage != "missing":
        path.mkdir()
        data = (folder / "weights.npz").read_bytes()
        (path / "weights.npz").write_bytes(data[:-90] if damage == "cut" else data)
        content = json.loads((folder / "weights.json").read_text())
        if damage == "other":
            content["format"] = "another"
        if damage == "shortcut":
            content["network"]["shortcut"] = "C"
        if damage != "no json":
            (path / "weights.json").write_text(json.dumps(content))
    with pytest.raises(errors.DataError):
        weights.load_weights(path)


def test_the_newest_checkpoint_of_a_run_is_read_like_a_folder(tmp_path):
    _, params, batch_stats = fresh(seed=3)
    params = {"model": params, "method": {"head": {"bias": jnp.zeros(2)}}}
    both = train_state.TrainState(
        step=jnp.asarray(4, jnp.int32),
        params=params,
        batch_stats={"model": batch_stats, "method": {}},
        optimizer_state=optax.sgd(0.1, momentum=0.9).init(params),
    )
    with checkpoint.Checkpoints(tmp_path / "checkpoints") as checkpoints:
        checkpoints.save(both, {"step": 4, "videos": 8, "seed": 1})
    with pytest.raises(
        errors.DataError,
        match=r"neither a run nor weights in .*; python main.py .* --workdir",
    ):
        weights.load_arrays(tmp_path)
    config = {"model": {"name": "slowonly_r18"}, "data": {"sampling": {}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    arrays, manifest = weights.load_arrays(tmp_path)
    assert manifest.network == networks.Network("slowonly_r18", K)
    assert_equal(networks.unflatten(arrays), (params["model"], batch_stats))
