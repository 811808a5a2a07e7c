import csv

import numpy as np
import pytest
from sklearn import metrics

from data_prep import k200db, nmi_report
from data_prep.bias import association
from smad_jax.base import aspect_table
from smad_jax.data import catalog, records

CLASSES = ("golf", "yoga", "surfing")
Z = 11


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    """600 videos of three classes with scenes of their own and a shared tail."""
    root = tmp_path_factory.mktemp("datasets")
    rng = np.random.default_rng(0)
    actions = np.repeat([0, 1, 2], 200)
    own = rng.integers(0, 3, 600) + 3 * actions
    scenes = np.where(rng.random(600) < 0.7, own, rng.integers(0, Z, 600))
    ids = [f"v{row:03}" for row in range(600)]
    folder = root / "kinetics400"
    with records.RecordWriter(folder / "videos") as writer:
        for id, action in zip(ids, actions.tolist(), strict=True):
            writer.write(records.VideoRecord(id, b"", action, 1))
    catalog.write_split(folder, "train", ids, actions)
    catalog.write_dataset_file(
        folder, name="kinetics400", classes=CLASSES, num_videos=600
    )
    labelled = np.arange(600) % 50 != 7
    catalog.add_aspect(
        folder,
        aspect_table.Aspect("scene", "soft", Z, "made up"),
        [id for id, has in zip(ids, labelled, strict=True) if has],
        np.eye(Z)[scenes[labelled]],
    )
    place = ["--data-root", str(root), "--dataset", "kinetics400"]
    sizes = ["--num-classes", "2", "--val-per-class", "30", "--train-per-class", "90"]
    assert k200db.main([*place, *sizes]) == 0
    return root


def run(command, data_root, *more):
    return nmi_report.main([command, "--data-root", str(data_root), *map(str, more)])


def table(data_root, tmp_path, *splits, pool="kinetics400/train"):
    where = ["--out", tmp_path / "table", "--pool", pool, "--draws", "3"]
    assert run("table", data_root, *where, "--splits", *splits) == 0
    with open(tmp_path / "table.csv") as file:
        return list(csv.DictReader(file))


def test_the_table_has_scikit_learn_s_numbers_beside_random_parts(
    data_root, tmp_path, capsys
):
    names = ("kinetics400/k200db-train", "kinetics400/k200db-val")
    rows = table(data_root, tmp_path, *names)
    for row, name in zip(rows, names, strict=True):
        split = catalog.open_split(data_root, *name.split("/"), aspects=("scene",))
        scenes = split.aspect_labels["scene"].argmax(axis=1)
        assert (row["split"], row["classes"]) == (name, "2")
        assert int(row["videos"]) == len(split)
        assert float(row["nmi"]) == pytest.approx(
            metrics.normalized_mutual_info_score(split.labels, scenes), abs=1e-6
        )
        entropies = [
            metrics.mutual_info_score(*[scenes[split.labels == label]] * 2)
            for label in (0, 1)
        ]
        assert float(row["entropy"]) == pytest.approx(np.mean(entropies), abs=1e-6)
    assert float(rows[0]["nmi"]) > float(rows[0]["random"])
    assert float(rows[1]["nmi"]) < float(rows[1]["random"])
    text = capsys.readouterr().out
    assert "| kinetics400/k200db-val | scene |" in text
    assert text == (tmp_path / "table.md").read_text()


def test_the_whole_pool_is_its_own_random_part(data_root, tmp_path):
    [row] = table(data_root, tmp_path, "kinetics400/train")
    assert row["nmi"] == row["random"]
    assert row["entropy"] == row["random_entropy"]
    assert float(row["random_std"]) == pytest.approx(0, abs=1e-6)
    assert row["videos"] == "588"


def test_a_pool_that_the_split_was_not_cut_from_is_refused(data_root, tmp_path, capsys):
    where = ("--out", tmp_path / "x", "--pool", "kinetics400/k200db-val")
    assert run("table", data_root, *where, "--splits", "kinetics400/train") == 3
    assert "--pool" in capsys.readouterr().err


def test_figures_of_a_class_and_of_sources_are_written(data_root, tmp_path, capsys):
    names = tmp_path / "names.txt"
    names.write_text("".join(f"/a/place/{z} {z}\n" for z in range(Z)))
    named = ("--names", names)
    where = ("--out", tmp_path / "out" / "fig.1", "--pool", "kinetics400/train")
    sizes = ("--val-per-class", 30)
    assert run("class", data_root, *where, "--action", "golf", *named, *sizes) == 0
    with open(tmp_path / "out" / "fig.1.csv") as file:
        rows = list(csv.DictReader(file))
    val = catalog.open_split(data_root, "kinetics400", "k200db-val", aspects=("scene",))
    golf = val.labels == val.classes.index("golf")
    held = set(val.aspect_labels["scene"][golf].argmax(axis=1).tolist())
    assert {int(row["label"]) for row in rows if row["side"] == "val"} == held
    assert rows[0]["name"] == f"place/{rows[0]['label']}"
    splits = ("--splits", "kinetics400/train", "kinetics400/k200db-val")
    where = ("--out", tmp_path / "out" / "fig6", "--actions", "golf", "surfing")
    assert run("shares", data_root, *where, *splits, *named, "--top", 4) == 0
    printed = capsys.readouterr().out
    for name in ("fig.1.svg", "fig.1.png", "fig6.svg", "fig6.png", "fig6.csv"):
        assert (tmp_path / "out" / name).stat().st_size > 200
        assert name in printed


def test_mistakes_have_a_code_and_a_message(data_root, tmp_path, capsys):
    where = ("--out", tmp_path / "x", "--pool", "kinetics400/train")
    assert run("class", data_root, *where, "--action", "chess") == 2
    assert "'chess'" in capsys.readouterr().err
    (tmp_path / "few.txt").write_text("one\n")
    more = ("--action", "golf", "--names", tmp_path / "few.txt")
    assert run("class", data_root, *where, *more) == 3
    assert "11" in capsys.readouterr().err
    where = ("--out", tmp_path / "x", "--pool", "train", "--splits", "train")
    assert run("table", data_root, *where) == 2
    assert "'train'" in capsys.readouterr().err


def test_a_class_without_videos_is_left_out_of_the_mean(caplog):
    caplog.set_level("INFO")
    actions = np.array([0, 0, 0, 0, 2])
    factors = np.array([4, 4, 1, 2, 3])
    found = association.mean_entropy(actions, factors, 4)
    assert found == pytest.approx(1.039721 / 2, abs=1e-6)
    assert "2 of 4 classes have no labelled video" in caplog.text
