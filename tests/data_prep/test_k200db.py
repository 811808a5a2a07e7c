import numpy as np
import pytest

from data_prep import k200db
from smad_jax import errors
from smad_jax.base import aspect_table
from smad_jax.data import aspect_records, catalog, records


def test_the_most_frequent_classes_are_numbered_by_name_and_ties_go_by_name():
    counts = {"zumba": 9, "archery": 5, "juggling": 7, "bowling": 5}
    assert k200db.most_frequent_classes(counts, 3) == ["archery", "juggling", "zumba"]
    with pytest.raises(errors.DataError, match="5"):
        k200db.most_frequent_classes(counts, 5)


@pytest.fixture
def data_root(tmp_path):
    """A data set with scene labels; `bowling` is small, one video has no label."""
    folder = tmp_path / "tiny"
    names = ("zumba", "bowling", "archery")
    actions = np.repeat([0, 1, 2], [30, 6, 30])
    scenes = np.concatenate([np.repeat([0, 1, 2], [20, 7, 3]), np.zeros(6, int)] * 2)
    ids = [f"clip {row}" for row in range(len(actions))]
    with records.RecordWriter(folder / "videos") as writer:
        for id, action in zip(ids, actions, strict=True):
            writer.write(records.VideoRecord(id, b"", int(action), 1))
    scene = aspect_table.Aspect("scene", "soft", 5, "made up")
    scenes = scenes[: len(ids)]
    aspect_records.write(folder, "scene", ids[1:], np.eye(5)[scenes[1:]])
    catalog.write_split(folder, "train", ids, actions)
    catalog.write_split(folder, "val", ids[::5], actions[::5])
    catalog.write_dataset_file(
        folder,
        name="tiny",
        classes=names,
        num_videos=len(ids),
        aspects={"scene": scene},
    )
    return tmp_path


def run(data_root, *more):
    arguments = "--dataset tiny --num-classes 2 --val-per-class 2 --train-per-class 12"
    return k200db.main(["--data-root", str(data_root), *arguments.split(), *more])


def test_the_command_writes_three_splits_with_renumbered_classes(data_root, capsys):
    assert run(data_root) == 0
    lines = capsys.readouterr().out
    assert "1 videos without scene label left out" in lines
    assert "NMI" in lines
    train, val, official = (
        catalog.open_split(data_root, "tiny", name, aspects=("scene",))
        for name in ("k200db-train", "k200db-val", "k200-val")
    )
    assert train.classes == val.classes == official.classes == ("archery", "zumba")
    assert np.bincount(train.labels).tolist() == [12, 12]
    assert "clip 0" not in set(train.ids + val.ids)
    original = catalog.open_split(data_root, "tiny", "train")
    name_of = dict(zip(original.ids, original.labels, strict=True))
    for split in (train, val, official):
        for id, label in zip(split.ids, split.labels, strict=True):
            assert original.classes[name_of[id]] == split.classes[label]


def test_the_command_takes_a_list_of_classes(data_root, tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text("7\tzumba\n", "utf-16")
    assert run(data_root, "--classes", str(listed)) == 0
    split = catalog.open_split(data_root, "tiny", "k200db-train")
    assert split.classes == ("zumba",)


def test_an_unknown_class_in_the_list_is_named_with_its_line(
    data_root, tmp_path, capsys
):
    listed = tmp_path / "list.txt"
    listed.write_text("archery\nzumbo\n")
    assert run(data_root, "--classes", str(listed)) == 3
    error = capsys.readouterr().err
    assert all(part in error for part in ("line 2", "'zumbo'", "'zumba'"))


def test_missing_labels_say_how_to_make_them(data_root, capsys):
    assert run(data_root, "--aspect", "object") == 3
    assert "python -m data_prep.pseudo_label" in capsys.readouterr().err


def test_the_command_splits_by_two_factors_and_measures_both(data_root, capsys):
    folder = data_root / "tiny"
    train = catalog.open_split(data_root, "tiny", "train")
    objects = np.arange(len(train)) % 4 % 3  # two labels frequent, one of them more
    aspect_records.write(folder, "object", train.ids, np.eye(3)[objects])
    found = catalog.read_dataset_file(folder)
    catalog.write_dataset_file(
        folder,
        name="tiny",
        classes=found.classes,
        num_videos=found.num_videos,
        aspects=dict(found.aspects)
        | {"object": aspect_table.Aspect("object", "soft", 3, "made up")},
    )
    flags = ("--second-aspect", "object", "--name", "both", "--allow-short")
    assert run(data_root, *flags) == 0
    printed = capsys.readouterr().out
    assert "both-val by scene: 4 videos; NMI" in printed
    assert "both-train by object: " in printed
    val = catalog.open_split(data_root, "tiny", "both-val", aspects=("scene", "object"))
    assert np.bincount(val.labels).tolist() == [2, 2]
    assert run(data_root, "--second-aspect", "scene") == 2
    assert "--second-aspect" in capsys.readouterr().err
