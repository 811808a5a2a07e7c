import numpy as np
import pytest

from data_prep import add_splits
from smad_jax.data import catalog, records

IDS = (
    "train/jump/abcdefghij1_000001_000011.mp4",
    "train/run/-bcdefghij2_000003_000013.mp4",
    "val/jump/abcdefghij3_000001_000011.mp4",
    "val/swim/abcdefghij4_000001_000011.mp4",
)


@pytest.fixture
def data_root(tmp_path):
    """A data set of four videos of three classes, as Kinetics names them."""
    folder = tmp_path / "datasets" / "kinetics400"
    with records.RecordWriter(folder / "videos", 1) as writer:
        for id in IDS:
            writer.write(records.VideoRecord(id, b"video", 0, 10))
    catalog.write_split(folder, "train", IDS, [0, 1, 0, 2])
    catalog.write_dataset_file(
        folder, name="kinetics400", classes=("jump", "run", "swim"), num_videos=4
    )
    return tmp_path / "datasets"


def put(folder, name, *lines):
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def run(data_root, *arguments, name="mini"):
    given = ["--data-root", data_root, "--dataset", "kinetics400", "--name", name]
    return add_splits.main([str(a) for a in (*given, *arguments)])


def test_lists_of_stored_videos_become_splits_without_the_files(
    data_root, tmp_path, capsys
):
    lists = (
        *(
            "--list",
            put(tmp_path, "t.txt", "-bcdefghij2", "abcdefghij1", "abcdefghij9"),
        ),
        *("--val-list", put(tmp_path, "v.txt", "abcdefghij3")),
        *("--classes", put(tmp_path, "classes.txt", "run", "jump")),
    )
    stored = sorted(path.name for path in (data_root / "kinetics400").iterdir())
    assert run(data_root, *lists, "--format", "minikinetics") == 0
    printed = capsys.readouterr().out
    assert "kinetics400/mini-train: 2 videos" in printed
    assert "1 ids" in printed
    train = catalog.open_split(data_root, "kinetics400", "mini-train")
    assert train.classes == ("run", "jump"), "of the lists, not of the data set"
    assert train.ids == (IDS[1], IDS[0])
    assert train.labels.tolist() == [0, 1]
    val = catalog.open_split(data_root, "kinetics400", "mini-val")
    assert (val.ids, val.labels.tolist()) == ((IDS[2],), [1])
    assert sorted(p.name for p in (data_root / "kinetics400").iterdir()) == stored
    before = catalog.open_split(data_root, "kinetics400", "train")
    np.testing.assert_array_equal(before.labels, [0, 1, 0, 2])


def test_videos_that_are_not_there_are_counted(data_root, tmp_path, capsys):
    lines = [f"{IDS[0]} 0", f"{IDS[1]} 1", f"{IDS[3]} 2", "train/run/none.mp4 1"]
    assert run(data_root, "--list", put(tmp_path, "l.txt", *lines)) == 0
    printed = capsys.readouterr().out
    assert "kinetics400/mini-train: 3 videos, 1 are" in printed
    train = catalog.open_split(data_root, "kinetics400", "mini-train")
    assert train.classes == ("jump", "run", "swim"), "the data set's, by number"


def test_splits_are_replaced_only_on_request(data_root, tmp_path, capsys):
    lines = [f"{IDS[0]} 0", f"{IDS[1]} 1", f"{IDS[3]} 2"]
    given = ("--list", put(tmp_path, "l.txt", *lines))
    assert run(data_root, *given, name="k200db") == 0
    lines.reverse()
    put(tmp_path, "l.txt", *lines)
    assert run(data_root, *given, name="k200db") == 2
    assert "k200db-train" in capsys.readouterr().err
    path = data_root / "kinetics400" / "splits" / "k200db-train.txt"
    assert path.read_text().splitlines() == lines[::-1]
    assert run(data_root, *given, "--overwrite", name="k200db") == 0
    assert path.read_text().splitlines() == lines


@pytest.mark.parametrize(
    ("lines", "name", "code", "message"),
    [
        (["elsewhere/a.mp4 0"], "mini", 3, "none of the 1 videos of 'train'"),
        ([f"{IDS[0]} 0", "x.mp4 1"], "mini", 3, "no training video: 'run', 'swim'"),
        (["abcdefghij8", "abcdefghij9"], "mini", 3, "2 ids"),
        ([f"{IDS[0]} 0"], "a/b", 2, "'a/b'"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_and_writes_nothing(
    data_root, tmp_path, capsys, lines, name, code, message
):
    assert run(data_root, "--list", put(tmp_path, "l.txt", *lines), name=name) == code
    assert message in capsys.readouterr().err
    splits = data_root / "kinetics400" / "splits"
    assert [path.name for path in splits.iterdir()] == ["train.txt"]
