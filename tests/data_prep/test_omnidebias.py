import collections

import numpy as np
import pytest

from data_prep import omnidebias
from data_prep.bias import thirds, z_frequency
from smad_jax import errors
from smad_jax.base import aspect_table
from smad_jax.data import aspect_records, catalog, records

CLASSES = ("climbing", "juggling", "zumba")


def long_tailed(num_media=1000, seed=0):
    """Media of three classes, each with its own long-tailed scenes."""
    rng = np.random.default_rng(seed)
    actions = rng.integers(0, 3, num_media)
    factors = (rng.geometric(0.3, num_media) - 1 + 4 * actions) % 17
    return [f"m{row:04}" for row in range(num_media)], actions, factors


@pytest.fixture(scope="module")
def parts():
    return thirds.divide(*long_tailed(), CLASSES, seed=0)


def of_one_class(ids, factors, seed=0):
    actions = np.zeros(len(ids), int)
    return thirds.divide(ids, actions, np.asarray(factors), ("zumba",), seed=seed)


@pytest.mark.parametrize(
    ("num_media", "sizes"),
    [
        (1, (0, 0, 1)),
        (2, (0, 1, 1)),
        (3, (1, 1, 1)),
        (7, (2, 2, 3)),
        (8, (2, 3, 3)),
        (9, (3, 3, 3)),
        (10, (3, 3, 4)),
    ],
)
def test_worked_examples_of_sizes(num_media, sizes):
    ids = [f"m{row}" for row in range(num_media)]
    found = of_one_class(ids, np.arange(num_media) % 3)
    assert tuple(map(len, found[:3])) == sizes
    assert len(found.rand) == num_media // 3
    assert len(found.all) == num_media


def test_frequent_scenes_come_first_with_ties_by_scene_and_then_by_id():
    # scene 4 four times; scenes 1 and 6 twice each, so the tie goes to 1
    ids = np.array(["h", "c", "b", "g", "e", "a", "d", "f"])
    factors = np.array([4, 6, 4, 1, 4, 6, 1, 4])
    found = of_one_class(ids, factors)
    assert ids[found.bias].tolist() == ["b", "e"]
    assert ids[found.mid].tolist() == ["f", "h", "d"]
    assert ids[found.unbias].tolist() == ["g", "a", "c"]


def test_thirds_are_a_partition_with_sizes_that_differ_by_at_most_one(parts):
    _, actions, _ = long_tailed()
    joined = np.concatenate(parts[:3])
    np.testing.assert_array_equal(np.sort(joined), np.arange(1000))
    np.testing.assert_array_equal(np.sort(parts.all), np.arange(1000))
    for label in range(3):
        sizes = [(actions[part] == label).sum() for part in parts[:3]]
        assert max(sizes) - min(sizes) <= 1
        assert sizes == sorted(sizes)


def test_no_scene_of_a_later_third_is_more_frequent(parts):
    _, actions, factors = long_tailed()
    for label in range(3):
        # counted here, not by the code under test
        count = collections.Counter(factors[actions == label].tolist())
        bias, mid, unbias = (
            [count[factors[row]] for row in part if actions[row] == label]
            for part in parts[:3]
        )
        assert min(bias) >= max(mid)
        assert min(mid) >= max(unbias)
        assert min(bias) > max(unbias)


def test_bias_tells_the_action_most_and_unbias_least():
    # half of each of 30 classes is in its own two scenes, half anywhere
    rng = np.random.default_rng(0)
    actions = np.repeat(np.arange(30), 300)
    own = 2 * actions + rng.integers(0, 2, 9000)
    factors = np.where(rng.random(9000) < 0.5, own, rng.integers(0, 60, 9000))
    parts = thirds.divide(
        [f"m{row:04}" for row in range(9000)],
        actions,
        factors,
        [f"class {label:02}" for label in range(30)],
        seed=0,
    )
    bias, mid, unbias, rand, _ = (
        z_frequency.normalized_mutual_information(actions[rows], factors[rows])
        for rows in parts
    )
    assert bias > mid > unbias
    assert bias > rand + 0.1 > unbias + 0.2


def test_rand_has_the_size_of_bias_in_each_class_and_media_of_every_third(parts):
    _, actions, _ = long_tailed()
    np.testing.assert_array_equal(
        np.bincount(actions[parts.rand]), np.bincount(actions[parts.bias])
    )
    assert len(set(parts.rand)) == len(parts.rand)
    for third in parts[:3]:
        assert 60 < len(np.intersect1d(parts.rand, third)) < 160  # about 111


def test_another_seed_changes_rand_only(parts):
    other = thirds.divide(*long_tailed(), CLASSES, seed=1)
    assert other.rand.tolist() != parts.rand.tolist()
    for name in ("bias", "mid", "unbias", "all"):
        assert getattr(other, name).tolist() == getattr(parts, name).tolist()


def test_the_order_of_the_input_has_no_influence(parts):
    ids, actions, factors = long_tailed()
    shuffled = np.random.default_rng(1).permutation(len(ids))
    again = thirds.divide(
        [ids[row] for row in shuffled],
        actions[shuffled],
        factors[shuffled],
        CLASSES,
        seed=0,
    )
    for here, there in zip(again, parts, strict=True):
        assert shuffled[here].tolist() == there.tolist()


def test_other_classes_have_no_influence_on_a_class(parts):
    ids, actions, factors = long_tailed()
    alone = thirds.divide(
        ids, np.where(actions == 1, 0, -1), factors, CLASSES[1:2], seed=0
    )
    for here, there in zip(alone, parts, strict=True):
        assert here.tolist() == there[actions[there] == 1].tolist()


def test_media_without_a_label_count_neither_in_parts_nor_in_frequencies():
    # of six labelled media scene 5 has three; the unlabelled four change nothing
    ids = list("abcdefghij")
    found = of_one_class(ids, [-1, 5, -1, 5, 0, 0, -1, 5, 2, -1])
    assert [ids[row] for row in found.all] == ["b", "d", "h", "e", "f", "i"]
    assert [ids[row] for row in found.unbias] == ["f", "i"]


def test_an_id_that_comes_twice_is_refused():
    with pytest.raises(errors.DataError, match="'b' comes twice"):
        of_one_class(["b", "a", "b"], [0, 1, 2])


@pytest.fixture
def data_root(tmp_path):
    """Web media of three classes, the first without a label; a target with two."""
    folder = tmp_path / "web"
    actions = np.repeat([0, 1, 2], [12, 6, 9])
    ids = [f"medium {row}.png" for row in range(len(actions))]
    scenes = np.concatenate([np.repeat([0, 1, 2], [6, 4, 2]), np.arange(15) % 4])
    with records.RecordWriter(folder / "videos") as writer:
        for id, action in zip(ids, actions, strict=True):
            writer.write(records.VideoRecord(id, b"", int(action), 1))
    aspect_records.write(folder, "scene", ids[1:], np.eye(5)[scenes[1:]])
    catalog.write_split(folder, "positive", ids, actions)
    catalog.write_dataset_file(
        folder,
        name="web",
        classes=("zumba", "bowling", "archery"),
        num_videos=len(ids),
        aspects={"scene": aspect_table.Aspect("scene", "soft", 5, "made up")},
    )
    target = tmp_path / "target"
    with records.RecordWriter(target / "videos") as writer:
        writer.write(records.VideoRecord("v", b"", 0, 1))
    catalog.write_split(target, "train", ["v"], [0], ("archery", "zumba"))
    catalog.write_dataset_file(target, name="target", classes=("x",), num_videos=1)
    return tmp_path


def run(data_root, *more):
    return omnidebias.main(["--data-root", str(data_root), "--dataset", "web", *more])


def test_the_command_writes_five_splits(data_root, capsys):
    assert run(data_root) == 0
    printed = capsys.readouterr().out
    assert "1 media without scene left out" in printed
    assert "web-unbias: 9 videos; NMI" in printed
    splits = {
        part: catalog.open_split(data_root, "web", f"web-{part}", aspects=("scene",))
        for part in thirds.Parts._fields
    }
    sizes = {part: len(split) for part, split in splits.items()}
    assert sizes == {"bias": 8, "mid": 9, "unbias": 9, "rand": 8, "all": 26}
    original = catalog.open_split(data_root, "web", "positive")
    label_of = dict(zip(original.ids, original.labels.tolist(), strict=True))
    for split in splits.values():
        assert split.classes == original.classes
        assert [label_of[id] for id in split.ids] == split.labels.tolist()


def test_the_command_takes_classes_and_numbers_of_the_training_split(data_root, capsys):
    assert run(data_root, "--target", "target/train", "--name", "k200") == 0
    assert "6 media of other classes left out" in capsys.readouterr().out
    split = catalog.open_split(data_root, "web", "k200-all")
    assert split.classes == ("archery", "zumba")
    assert np.bincount(split.labels).tolist() == [9, 11]


@pytest.mark.parametrize(
    ("flags", "code", "printed"),
    [
        (("--target", "target/trian"), 3, "did you mean 'train'"),
        (("--target", "target"), 2, "'target'"),
        (("--aspect", "object"), 3, "python -m data_prep.pseudo_label"),
        (("--split", "raw"), 3, "no split 'raw'"),
    ],
)
def test_missing_data_have_a_code_and_a_message(
    data_root, capsys, flags, code, printed
):
    assert run(data_root, *flags) == code
    assert printed in capsys.readouterr().err


def test_too_few_media_are_refused_with_the_empty_parts(data_root, capsys):
    catalog.write_split(data_root / "web", "positive", ["medium 1.png"], [0])
    assert run(data_root) == 3
    assert "bias, mid, rand" in capsys.readouterr().err
