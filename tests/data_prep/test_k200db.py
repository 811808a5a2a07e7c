import numpy as np
import pytest

from data_prep import k200db, z_frequency
from smad_jax import aspects, errors
from smad_jax.data import catalog, records

CLASSES = ("climbing", "juggling", "zumba")


def long_tailed(num_videos=3000, seed=0):
    """Videos of three classes, each with its own long-tailed scenes."""
    rng = np.random.default_rng(seed)
    actions = rng.integers(0, 3, num_videos)
    rank = rng.geometric(0.25, num_videos) - 1
    factors = (rank + 4 * actions) % 17
    return [f"v{row:05}" for row in range(num_videos)], actions, factors


@pytest.fixture(scope="module")
def parts():
    ids, actions, factors = long_tailed()
    sizes = k200db.Sizes(50, 400)
    return k200db.redistribute(ids, actions, factors, CLASSES, sizes, seed=0)


@pytest.mark.parametrize(
    ("num_val", "labels"),
    [(4, [5, 3, 4]), (5, [5, 3, 4]), (6, [5, 3, 4, 2]), (1, [5]), (2, [5, 3])],
)
def test_worked_example_of_held_out_labels(num_val, labels):
    counts = np.array([10, 5, 3, 2, 2, 1])
    assert k200db.held_out_labels(counts, num_val) == labels


def test_labels_that_do_not_occur_are_never_held_out():
    assert k200db.held_out_labels(np.array([0, 4, 0, 3]), 2) == [3]


def test_no_label_of_a_class_is_on_both_sides(parts):
    _, actions, factors = long_tailed()
    for label in range(3):
        train = set(factors[parts.train[actions[parts.train] == label]])
        val = set(factors[parts.val[actions[parts.val] == label]])
        assert train and val and not train & val


def test_every_val_label_is_at_most_as_frequent_as_every_train_label(parts):
    _, actions, factors = long_tailed()
    counts = z_frequency.label_counts(actions, factors)
    for label in range(3):
        train = factors[parts.train[actions[parts.train] == label]]
        val = factors[parts.val[actions[parts.val] == label]]
        assert counts[label, val].max() <= counts[label, train].min()


def test_val_has_at_least_and_train_exactly_what_was_asked_for(parts):
    _, actions, _ = long_tailed()
    assert np.bincount(actions[parts.train]).tolist() == [400, 400, 400]
    assert np.bincount(actions[parts.val]).min() >= 50
    assert not set(parts.train) & set(parts.val)


def test_train_is_more_and_val_less_biased_than_chance():
    # each of 40 classes has six scenes of its own and a tail that all classes share
    rng = np.random.default_rng(0)
    actions = np.repeat(np.arange(40), 500)
    own = (rng.geometric(0.4, 20_000) - 1) % 6 + 5 * actions
    factors = np.where(rng.random(20_000) < 0.8, own, rng.integers(0, 210, 20_000))
    parts = k200db.redistribute(
        [f"v{row:05}" for row in range(20_000)],
        actions,
        factors,
        [f"class {label:02}" for label in range(40)],
        k200db.Sizes(50, 400),
        seed=0,
    )
    for rows, sign in ((parts.train, 1), (parts.val, -1)):
        control = z_frequency.random_control(actions, rows, seed=0)
        here, random = (
            z_frequency.normalized_mutual_information(actions[part], factors[part])
            for part in (rows, control)
        )
        assert sign * (here - random) > 0.01
        np.testing.assert_array_equal(
            np.bincount(actions[control]), np.bincount(actions[rows])
        )


def test_the_order_of_the_input_has_no_influence(parts):
    ids, actions, factors = long_tailed()
    shuffled = np.random.default_rng(1).permutation(len(ids))
    again = k200db.redistribute(
        [ids[row] for row in shuffled],
        actions[shuffled],
        factors[shuffled],
        CLASSES,
        k200db.Sizes(50, 400),
        seed=0,
    )
    assert shuffled[again.train].tolist() == parts.train.tolist()
    assert shuffled[again.val].tolist() == parts.val.tolist()


def test_another_seed_changes_train_only(parts):
    ids, actions, factors = long_tailed()
    other = k200db.redistribute(
        ids, actions, factors, CLASSES, k200db.Sizes(50, 400), seed=1
    )
    assert other.val.tolist() == parts.val.tolist()
    assert other.train.tolist() != parts.train.tolist()


def test_other_classes_have_no_influence_on_a_class(parts):
    ids, actions, factors = long_tailed()
    fewer = k200db.redistribute(
        ids,
        np.where(actions == 1, 0, -1),
        factors,
        CLASSES[1:2],
        k200db.Sizes(50, 400),
        seed=0,
    )
    assert fewer.train.tolist() == parts.train[actions[parts.train] == 1].tolist()


def small(counts, sizes, factors=None):
    labels = np.repeat(np.arange(len(counts)), counts) if factors is None else factors
    ids = [f"v{row:03}" for row in range(len(labels))]
    actions = np.zeros(len(labels), int)
    return k200db.redistribute(ids, actions, labels, ("zumba",), sizes, seed=0)


def test_too_few_videos_to_train_on_is_an_error_unless_allowed():
    with pytest.raises(errors.DataError, match="'zumba' has 10 videos left"):
        small([10, 3], k200db.Sizes(2, 11))
    parts = small([10, 3], k200db.Sizes(2, 11, allow_short=True))
    assert (len(parts.train), len(parts.val), parts.short) == (10, 3, ("zumba",))


@pytest.mark.parametrize("allow_short", [False, True])
def test_a_class_with_one_label_cannot_be_split(allow_short):
    with pytest.raises(errors.DataError, match="all 13 videos would go to validation"):
        small([13], k200db.Sizes(2, 5, allow_short))


def test_a_class_smaller_than_validation_cannot_be_split():
    with pytest.raises(errors.DataError, match="13 videos, but 14 go to validation"):
        small([10, 3], k200db.Sizes(14, 1, allow_short=True))


def test_videos_without_a_label_are_left_out_and_counted():
    factors = np.array([0] * 10 + [-1] * 4 + [1] * 3)
    parts = small([], k200db.Sizes(2, 10), factors)
    assert parts.num_unlabelled == 4
    assert len(parts.train) + len(parts.val) == 13


def test_an_id_that_comes_twice_is_refused():
    with pytest.raises(errors.DataError, match="'b' comes twice"):
        k200db.redistribute(
            ["b", "a", "b"],
            np.zeros(3, int),
            np.arange(3),
            ("zumba",),
            k200db.Sizes(1, 1),
            seed=0,
        )


def test_the_most_frequent_classes_are_numbered_by_name_and_ties_go_by_name():
    counts = {"zumba": 9, "archery": 5, "juggling": 7, "bowling": 5}
    assert k200db.most_frequent_classes(counts, 3) == ["archery", "juggling", "zumba"]
    with pytest.raises(errors.DataError, match="5 classes were asked for"):
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
    scene = aspects.Aspect("scene", "soft", 5, "made up")
    scenes = scenes[: len(ids)]
    records.write_aspect(folder, "scene", ids[1:], np.eye(5)[scenes[1:]])
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
    listed.write_text("7\tzumba\n")
    assert run(data_root, "--classes", str(listed)) == 0
    split = catalog.open_split(data_root, "tiny", "k200db-train")
    assert split.classes == ("zumba",)


def test_an_unknown_class_in_the_list_is_named_with_its_line(
    data_root, tmp_path, capsys
):
    listed = tmp_path / "list.txt"
    listed.write_text("archery\nzumbo\n")
    assert run(data_root, "--classes", str(listed)) == 3
    assert "line 2: no class is called 'zumbo'; did you mean 'zumba'?" in (
        capsys.readouterr().err
    )


def test_missing_labels_say_how_to_make_them(data_root, capsys):
    assert run(data_root, "--aspect", "object") == 3
    assert "python -m data_prep.pseudo_label" in capsys.readouterr().err
