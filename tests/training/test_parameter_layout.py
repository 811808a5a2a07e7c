"""Devices in groups that share the large arrays of a training state."""

import jax
import numpy as np
import pytest

from configs import base, slowonly_dfr, slowonly_smad
from smad_jax import errors
from smad_jax.evaluation.predictions import Predictions
from smad_jax.experiment import opening, run, trained
from smad_jax.experiment.settings import Settings
from smad_jax.training import parameter_layout, sharding


def shared():
    return parameter_layout.make_mesh(2)


def test_large_arrays_are_split_along_the_longest_axis_that_the_group_divides():
    tree = {
        "kernel": np.arange(3 * 3 * 96 * 64, dtype=np.float32).reshape(3, 3, 96, 64),
        "odd": np.zeros((301, 64)),
        "small": np.zeros((8, 8)),
        "step": np.zeros((), np.int32),
        "never": np.zeros((151, 151)),
    }
    placed = sharding.place(tree, parameter_layout.layout(tree, shared()))
    shapes = {k: v.addressable_shards[0].data.shape for k, v in placed.items()}
    assert shapes == {
        "kernel": (3, 3, 48, 64),
        "odd": (301, 32),
        "small": (8, 8),
        "step": (),
        "never": (151, 151),
    }
    whole = parameter_layout.local(placed)
    for name, array in tree.items():
        np.testing.assert_array_equal(whole[name], array)


def test_a_batch_is_split_over_the_devices_of_a_group_too():
    x = np.arange(24, dtype=np.float32).reshape(8, 3)
    placed = sharding.shard({"x": x}, shared())["x"]
    assert [part.data.shape for part in placed.addressable_shards] == [(2, 3)] * 4
    np.testing.assert_array_equal(placed, x)


def test_without_groups_every_array_is_whole_everywhere():
    tree = {"x": np.zeros((256, 256))}
    placed = sharding.place(tree, parameter_layout.layout(tree, sharding.make_mesh()))[
        "x"
    ]
    assert placed.is_fully_replicated
    assert len(placed.addressable_shards) == 4


def test_groups_that_the_devices_of_a_process_do_not_make_are_refused():
    with pytest.raises(errors.ConfigError, match=r"model_axis .* the 4 devices .* 3;"):
        parameter_layout.make_mesh(3)


def config_of(data, recipe, group):
    config = base.smoke(recipe.get_config())
    config.data.root = str(data)
    config.training.model_axis = group
    config.training.ema = 0.5
    config.training.watch_videos = 2
    config.evaluation.every_epochs = 0 if recipe is slowonly_dfr else 1
    return config


@pytest.mark.parametrize("recipe", [slowonly_smad, slowonly_dfr])
def test_run_is_tested_shown_fitted_and_loaded_as_without_groups(
    recipe, small_data, tmp_path
):
    found = []
    for group in (1, 2):
        folder = tmp_path / str(group)
        config = config_of(small_data, recipe, group)
        results = run.train_and_test(config, folder)
        assert run.train_and_test(config, folder) == results  # from its checkpoint
        found.append(Predictions.load(folder / "predictions" / "iid.npz"))
    for name in ("probabilities", "features"):
        one, two = (getattr(each, name) for each in found)
        np.testing.assert_allclose(two, one, rtol=1e-3, atol=1e-4)
    _, state = opening.open_run(Settings.read(config), folder)
    sizes = {leaf.size: leaf for leaf in jax.tree.leaves(state)}
    assert not sizes[max(sizes)].is_fully_replicated, "nothing of it is shared"
    network = trained.load(folder, small_data)
    again = network.predict(network.open_split("embedded/iid"))
    rows = [list(again.ids).index(id) for id in found[1].ids]
    np.testing.assert_allclose(
        again.probabilities[rows], found[1].probabilities, atol=1e-6
    )
