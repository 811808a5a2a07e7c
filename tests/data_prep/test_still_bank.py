import numpy as np
import pytest

from data_prep import still_bank
from smad_jax.data import catalog
from tests.helpers import answered_videos

CLASSES = ("zumba", "bowling", "archery")
LABELS = np.array([0, 1, 2, 0, 1])
PROBABILITIES = np.array(
    [[0.9, 0.1, 0.0], [0.4, 0.3, 0.3], [0.1, 0.8, 0.1], [0, 0, 0], [0.0, 0.5, 0.5]]
)


@pytest.fixture
def data_root(tmp_path):
    """Five videos, the fourth unreadable, and predictions of a network."""
    answered_videos.make(
        tmp_path,
        "mine",
        "train",
        "video",
        labels=LABELS,
        probabilities=PROBABILITIES,
        classes=CLASSES,
    )
    return tmp_path


def run(data_root, *more):
    flags = ["--data-root", str(data_root), "--dataset", "mine"]
    flags += ["--predictions", str(data_root / "predictions.npz")]
    return still_bank.main([*flags, *more])


def test_the_most_certain_videos_become_the_bank_whatever_their_label(
    data_root, capsys
):
    assert run(data_root) == 0
    assert capsys.readouterr().out == (
        "stills: 2 of 5 videos, those that the teacher classifies with a probability "
        "of 80.0% or more\n"
    )
    split = catalog.open_split(data_root, "mine", "stills")
    assert split.ids == ("video 0", "video 2")  # the second is classified wrongly
    assert split.labels.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("keep", "rows"), [(1.0, [0, 1, 2, 4]), (0.51, [0, 2, 4]), (0.01, [0])]
)
def test_the_share_is_of_the_readable_videos_and_rounded_up(keep, rows):
    assert still_bank.most_certain(PROBABILITIES, keep).tolist() == rows


def test_of_equal_predictions_the_first_are_kept():
    same = np.full((4, 2), 0.5)
    assert still_bank.most_certain(same, 0.5).tolist() == [0, 1]


@pytest.mark.parametrize("keep", ["0", "1.5", "-1", "nan"])
def test_a_share_out_of_range_is_refused(data_root, keep, capsys):
    assert run(data_root, "--keep", keep) == 2
    assert "--keep must be above 0 and at most 1" in capsys.readouterr().err
    assert not (data_root / "mine" / "splits" / "stills.txt").exists()


@pytest.mark.parametrize("flags", [(), ("--teacher", "t", "--predictions", "p.npz")])
def test_a_run_or_a_file_is_needed_and_not_both(data_root, flags, capsys):
    place = ("--data-root", str(data_root), "--dataset", "mine")
    assert still_bank.main([*place, *flags]) == 2
    error = capsys.readouterr().err
    assert "give --teacher RUN or --predictions FILE, one of them" in error


def test_without_a_readable_video_nothing_is_written(data_root, capsys):
    np.savez(
        data_root / "none.npz",
        ids=[f"video {row}" for row in range(5)],
        probabilities=np.zeros((5, 3)),
    )
    assert run(data_root, "--predictions", str(data_root / "none.npz")) == 3
    assert "can read no video of mine/train" in capsys.readouterr().err
