import csv

import numpy as np
import pytest

from smad_jax.reporting import __main__ as command
from smad_jax.reporting import dial

K, Z = 4, 6


@pytest.fixture
def folder(tmp_path):
    """A run that reads scenes and one that reads actions, with their data."""
    rng = np.random.default_rng(0)
    labels = rng.integers(K, size=1200)
    scenes = np.where(rng.random(1200) < 0.5, labels, rng.integers(Z, size=1200))
    ids = np.array([f"v{n}" for n in range(1200)])
    # scene y is the usual one of class y; training has no other
    answers = {
        "scenic": np.where(scenes < K, scenes, 0),
        "fair": np.where(rng.random(1200) < 0.7, labels, (labels + 1) % K),
    }
    tests = {"one": slice(0, 500), "two": slice(500, 1000)}
    for run, predicted in answers.items():
        (tmp_path / run / "predictions").mkdir(parents=True)
        for name, rows in tests.items():
            np.savez(
                tmp_path / run / "predictions" / f"{name}.npz",
                ids=ids[rows],
                labels=labels[rows],
                probabilities=np.eye(K)[predicted[rows]],
            )
    np.savez(tmp_path / "scene.npz", ids=ids, values=np.eye(Z)[scenes])
    trained = np.flatnonzero((np.arange(1200) >= 1000) & (scenes == labels))
    lines = [f"{ids[n]} {labels[n]}\n" for n in trained]
    (tmp_path / "train.txt").write_text("".join(lines))
    return tmp_path


def arguments(folder, name):
    return [
        *("overlap", str(folder / "scenic"), str(folder / "fair")),
        *("--sets", "one", "two", "--train", str(folder / "train.txt")),
        *("--scene", str(folder / "scene.npz"), "--out", str(folder / "new" / name)),
    ]


def test_run_without_predictions_is_refused_with_what_makes_it(folder, capsys):
    given = [*arguments(folder, "a"), "--sets", "one", "three"]
    assert command.main(given) == 3
    message = capsys.readouterr().err
    assert "scenic/predictions/three.npz; python main.py --config" in message


def test_drop_grows_with_the_distance_only_for_who_reads_the_scene(folder, capsys):
    assert command.main(arguments(folder, "a")) == 0
    assert command.main(arguments(folder, "b")) == 0
    assert capsys.readouterr().out.startswith(f"figure: {folder}/new/a.svg ")
    with (folder / "new" / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = {
        model: np.array(
            [
                [float(r["overlap"]), float(r["drop"]), float(r["accuracy"])]
                for r in rows
                if r["model"] == model
            ]
        )
        for model in ("scenic", "fair")
    }
    scenic, fair = found["scenic"], found["fair"]
    assert scenic.shape == (5, 3)
    # one scene a class in training: the overlap is the share of usual videos
    np.testing.assert_allclose(scenic[:, 0], np.round(50 * np.array(dial.SHARES)) / 50)
    assert (np.diff(scenic[:, 1]) < -0.1).all()
    np.testing.assert_allclose(scenic[-1, 1:], [0, 1])
    assert np.abs(fair[:, 1]).max() < 0.05
    for end in (".svg", ".csv", ".png"):
        first, again = (folder / "new" / f"{name}{end}" for name in "ab")
        assert first.read_bytes() == again.read_bytes()
    assert "overlap of the scenes" in (folder / "new" / "a.svg").read_text()


def test_names_of_models_are_one_a_run(folder, capsys):
    assert command.main([*arguments(folder, "a"), "--model-names", "x", "x"]) == 2
    assert "must be 2 different names" in capsys.readouterr().err
