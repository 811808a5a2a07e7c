import numpy as np
import pytest

from configs import base, tsn_baseline
from data_prep import teacher_filter
from data_prep.bias import teachers
from smad_jax.data import catalog
from smad_jax.experiment.run import train_and_test
from tests.helpers import answered_videos

CLASSES = ("zumba", "bowling", "archery")
# a teacher's predictions of five media, and the class of each one's query
PROBABILITIES = np.array(
    [
        [0.5, 0.3, 0.2],  # right
        [0.4, 0.4, 0.2],  # as probable as another class
        [0.4, 0.4, 0.2],  # the same, and the other comes first
        [0.0, 0.0, 0.0],  # unreadable
        [0.1, 0.2, 0.7],  # wrong
    ]
)
LABELS = np.array([0, 0, 1, 0, 1])


def test_media_are_kept_whose_class_is_the_teachers_first_answer():
    kept = teacher_filter.agrees(PROBABILITIES, LABELS)
    assert kept.tolist() == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("threshold", "kept"),
    [
        (0.4, [True, True, True, False, False]),  # inclusive
        (0.2, [True, True, True, False, True]),  # agreement not required
        (0.45, [True, False, False, False, False]),
        (1e-9, [True, True, True, False, True]),
    ],
)
def test_threshold_asks_for_a_probability_instead(threshold, kept):
    found = teacher_filter.agrees(PROBABILITIES, LABELS, threshold=threshold)
    assert found.tolist() == kept


@pytest.mark.parametrize("threshold", [None, 0.1])
def test_media_of_a_class_that_the_teacher_does_not_know_are_not_kept(threshold):
    labels = np.array([-1, 0, -1, 0, -1])
    found = teacher_filter.agrees(PROBABILITIES, labels, threshold=threshold)
    assert found.tolist() == [False, True, False, False, False]


@pytest.fixture
def data_root(tmp_path):
    """Five media of three classes, and predictions of a network."""
    answered_videos.make(
        tmp_path,
        "web",
        "all",
        "medium",
        labels=LABELS,
        probabilities=PROBABILITIES,
        classes=CLASSES,
    )
    return tmp_path


def run(data_root, *more):
    flags = ["--data-root", str(data_root), "--dataset", "web"]
    if "--predictions" not in more:
        flags += ["--predictions", str(data_root / "predictions.npz")]
    return teacher_filter.main([*flags, *more])


def test_the_command_joins_predictions_by_id_and_counts_each_class(data_root, capsys):
    assert run(data_root) == 0
    output = capsys.readouterr()
    printed = output.out.splitlines()
    # of the four readable media 3 are taken for zumba and 1 for archery, 2 are zumba
    assert (
        "warning: nothing is left of 1 of 2 classes: 'bowling'. The teacher predicts "
        "the label of 50.0% of the media; shuffled predictions would be right for 37.5%"
    ) in output.err
    assert run(data_root, "--threshold", "0.2", "--name", "all-classes") == 0
    assert "warning" not in capsys.readouterr().err
    assert printed == [
        "zumba          2 of 3",
        "bowling        0 of 2",
        "1 media cannot be read",
        "positive: 2 of 5 media, 40.0%",
    ]
    split = catalog.open_split(data_root, "web", "positive")
    assert split.ids == ("medium 0", "medium 1")
    assert split.labels.tolist() == [0, 0]
    assert split.classes == CLASSES


def test_classes_of_the_predictions_are_matched_by_name(data_root, capsys):
    order = [2, 0]  # archery and zumba; bowling is not known
    np.savez(
        data_root / "two.npz",
        ids=[f"medium {row}" for row in range(5)],
        probabilities=PROBABILITIES[:, order],
        classes=[CLASSES[label] for label in order],
    )
    two = str(data_root / "two.npz")
    assert run(data_root, "--predictions", two, "--name", "known") == 0
    printed = capsys.readouterr().out
    assert "2 media of classes" in printed
    split = catalog.open_split(data_root, "web", "known")
    assert split.ids == ("medium 0", "medium 1")
    assert split.classes == CLASSES, "the numbers of the data set, not the teacher's"


def test_own_numbering_of_the_source_split_is_kept(data_root):
    catalog.write_split(
        data_root / "web", "own", ["medium 4", "medium 0"], [1, 0], ("x", "zumba")
    )
    np.savez(
        data_root / "own.npz",
        ids=["medium 0", "medium 4"],
        probabilities=[[0.1, 0.9], [0.3, 0.7]],
    )
    flags = ("--predictions", str(data_root / "own.npz"), "--split", "own")
    assert run(data_root, *flags) == 0
    split = catalog.open_split(data_root, "web", "positive")
    assert (split.ids, split.labels.tolist()) == (("medium 4",), [1])
    assert split.classes == ("x", "zumba")


@pytest.mark.parametrize(
    ("content", "printed"),
    [
        (
            {"ids": ["medium 0"], "probabilities": [[1, 0, 0]]},
            "4 of 5 videos of web/all",
        ),
        (
            {"ids": ["medium 0"], "probabilities": [[1, 0]]},
            r"need probabilities [1, 3]",
        ),
        ({"ids": ["medium 0"]}, "must be an NPZ with `ids` and `probabilities`"),
        ({"ids": ["a"], "probabilities": [[np.nan, 0, 0]]}, "is not finite"),
    ],
)
def test_unfit_predictions_are_refused(data_root, capsys, content, printed):
    np.savez(data_root / "unfit.npz", **content)
    assert run(data_root, "--predictions", str(data_root / "unfit.npz")) == 3
    assert printed in capsys.readouterr().err
    assert not (data_root / "web" / "splits" / "positive.txt").exists()


@pytest.mark.parametrize(
    ("flags", "code", "printed"),
    [
        (("--threshold", "0"), 2, "--threshold"),
        (("--threshold", "30"), 2, "--threshold"),
        (("--threshold", "0.99"), 3, "none of the 5 labels"),
        (("--split", "raw"), 3, "no split 'raw'"),
        (("--predictions", "nowhere.npz"), 3, "nowhere.npz"),
    ],
)
def test_mistake_ends_with_its_code_and_a_clear_message(
    data_root, capsys, flags, code, printed
):
    assert run(data_root, *flags) == code
    assert printed in capsys.readouterr().err


def test_teacher_that_knows_none_of_the_classes_is_refused(data_root, capsys):
    catalog.write_split(data_root / "web", "odd", ["medium 0"], [0], ("x",))
    np.savez(
        data_root / "odd.npz",
        ids=["medium 0"],
        probabilities=[[1.0]],
        classes=["zumba"],
    )
    flags = ("--predictions", str(data_root / "odd.npz"), "--split", "odd")
    assert run(data_root, *flags) == 3
    assert "first is 'zumba', that of the data 'x'" in capsys.readouterr().err


def test_a_finished_run_filters_and_its_saved_answers_do_the_same(
    small_data, web_data, tmp_path, capsys
):
    config = base.smoke(tsn_baseline.get_config())
    config.data.root = str(small_data)
    train_and_test(config, tmp_path / "run")
    flags = ["--data-root", str(small_data), "--dataset", web_data, "--split", "train"]
    saved = tmp_path / "answers" / "stored"
    by_run = ["--teacher", str(tmp_path / "run"), "--views", "1", "--save", str(saved)]
    printed = []
    for how in (by_run, ["--predictions", str(saved)]):
        assert teacher_filter.main([*flags, *how]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    answers = teachers.read_answers(saved, ())
    whole = catalog.open_split(small_data, web_data, "train")
    first = answers.probabilities.argmax(axis=1)
    expected = [
        id
        for id, label, best in zip(whole.ids, whole.labels, first, strict=True)
        if label == best
    ]
    split = catalog.open_split(small_data, web_data, "positive")
    assert list(split.ids) == expected


def test_missing_run_is_named_with_the_command(data_root, capsys):
    flags = ["--data-root", str(data_root), "--dataset", "web", "--teacher", "runs/no"]
    assert teacher_filter.main(flags) == 3
    assert "python main.py --config" in capsys.readouterr().err
