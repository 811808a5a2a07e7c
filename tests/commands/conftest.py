"""A finished run without any training: a fresh network, saved as a run saves it."""

import json

import pytest

from configs import common, slowonly_smad
from smad_jax import experiment, splits, workdir
from smad_jax.training import checkpoint, sharding


@pytest.fixture(scope="session")
def fresh_run(small_data, tmp_path_factory):
    """The folder of a run with SAAR and adversaries, which learnt nothing."""
    config = common.smoke(slowonly_smad.get_config())
    config.data.root = str(small_data)
    folder = tmp_path_factory.mktemp("runs") / "fresh"
    folder.mkdir()
    train = splits.open_train(config)
    plan = experiment.make_plan(config, train, "fresh")
    _, state, _ = experiment.build(config, train, plan, sharding.make_mesh())
    with checkpoint.Checkpoints(folder / "checkpoints") as checkpoints:
        checkpoints.save(state, {"step": 0, "videos": 0, "seed": 0})
    (folder / "config.json").write_text(config.to_json())
    workdir.write_labels(folder, workdir.Labels(train.classes, train.aspects))
    (folder / "results.json").write_text("{}")
    (folder / "metrics.jsonl").write_text(
        "".join(json.dumps({"step": n, "accuracy/scene": n / 8}) + "\n" for n in (1, 2))
    )
    return folder
