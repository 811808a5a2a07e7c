import cv2
import numpy as np
import pytest

from data_prep import pseudo_label
from smad_jax.data import records
from smad_jax.reporting.audit import audits

V = 36


@pytest.fixture
def clips(data_root):
    """A folder of the videos of `data_root`, in a folder for each action."""
    stored = records.RecordReader(data_root / "tiny", "videos")
    for position, id in enumerate(stored.ids):
        record = stored.video(position)
        path = data_root / "clips" / f"action {record.label}" / f"{id}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(record.video)
    return data_root / "clips"


def run(clips, out, *arguments):
    given = ["--videos", str(clips), "--labeller", "appearance", "--out", str(out)]
    return pseudo_label.main([*given, "--num-labels", "3", *arguments])


def test_folder_without_a_data_set_is_labelled_for_the_audit(clips, tmp_path, capsys):
    out = tmp_path / "new" / "scene.csv"
    assert run(clips, out, "--id", "stem") == 0
    printed = capsys.readouterr()
    assert f"{out}: 3 labels of scene for {V - 1} of {V} videos" in printed.out
    assert "no label for" in printed.err
    # scenes alternate, so the table's likeliest labels do
    ids = [f"clip {row:02}" for row in range(V - 1)]
    truth = np.arange(V - 1) % 3
    names = tmp_path / "new" / "scene.names.txt"
    assert names.read_text() == "scene 0\nscene 1\nscene 2\n"
    names.write_text("sea\nscene 1\nscene 2\n")
    audit = audits.audit(
        np.arange(V - 1) % 2,
        np.arange(V - 1) % 2,
        {"scene": out},
        ids=ids,
        names={"scene": names},
        bootstrap=0,
    )
    [aspect] = audit.material.aspects
    assert aspect.names == ("sea", "scene 1", "scene 2")
    found = [set(aspect.values[truth == scene].tolist()) for scene in range(3)]
    assert sorted(map(tuple, found)) == [(0,), (1,), (2,)]
    # names given by hand outlive a second run
    assert run(clips, out, "--id", "stem") == 0
    assert names.read_text().startswith("sea\n")


def test_sheet_has_a_row_for_each_cluster_with_its_pictures(clips, tmp_path):
    assert run(clips, tmp_path / "scene.csv") == 0
    sheet = cv2.imread(str(tmp_path / "scene.png"))
    rows = np.split(sheet, 3)
    colours = [row[30:110, 5:795].reshape(-1, 3).mean(axis=0) for row in rows]
    for first in range(3):  # the scenes look very different
        for second in range(first):
            assert np.abs(colours[first] - colours[second]).max() > 15
    # a frame around each picture, which may be as white as the sheet
    for row in rows:
        assert (row[22:118, [0, 95]] == 128).all()
        assert (row[[22, 117], :96] == 128).all()


def test_ids_that_several_videos_would_share_are_refused(clips, tmp_path, capsys):
    copy = clips / "again" / "clip 00.mp4"
    copy.parent.mkdir()
    copy.write_bytes(b"")
    assert run(clips, tmp_path / "scene.csv", "--id", "name") == 3
    assert "'clip 00.mp4' to action 0/clip 00.mp4 and" in capsys.readouterr().err
    assert not (tmp_path / "scene.csv").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--videos", "x", "--labeller", "resnet18", "--weights", "w"),
        ("--videos", "x", "--from", "labels.csv"),
        ("--dataset", "x", "--labeller", "appearance", "--out", "scene.csv"),
    ],
)
def test_options_that_a_folder_has_no_use_for_are_refused(arguments, capsys):
    assert pseudo_label.main(list(arguments)) == 2
    assert "--videos" in capsys.readouterr().err
