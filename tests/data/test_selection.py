import dataclasses
import types

import numpy as np
import pytest

from smad_jax import errors
from smad_jax.base import aspect_table
from smad_jax.data import catalog, selection

V, Z = 11, 3


def a_split() -> catalog.Split:
    labels = np.arange(V, dtype=np.float16)[:, None] + np.zeros(Z, np.float16)
    return catalog.Split(
        dataset="demo",
        name="train",
        ids=tuple(f"v{row}" for row in range(V)),
        labels=np.arange(V, dtype=np.int32) % 2,
        classes=("walk", "run"),
        aspects={"scene": aspect_table.Aspect("scene", "soft", Z, "test")},
        aspect_labels={"scene": labels},
        aspect_mask={"scene": np.arange(V) % 3 > 0},
        reader=None,
        positions=np.arange(V) * 10,
    )


def test_few_videos_are_spread_over_the_list_with_all_that_belongs_to_them():
    few = selection.few_videos(a_split(), 3)
    assert few.ids == ("v0", "v5", "v10")
    np.testing.assert_array_equal(few.positions, [0, 50, 100])
    np.testing.assert_array_equal(few.labels, [0, 1, 0])
    np.testing.assert_array_equal(few.aspect_labels["scene"][:, 0], [0, 5, 10])
    np.testing.assert_array_equal(few.aspect_mask["scene"], [False, True, True])


def test_more_videos_than_there_are_is_all_of_them():
    assert selection.few_videos(a_split(), 50).ids == a_split().ids


def test_classes_are_renumbered_by_name_and_unknown_ones_left_out():
    named = dataclasses.replace(a_split(), classes=("walk_the dog", "run"))
    found = selection.with_classes(named, ("jump", "run", "walk the dog"))
    assert found.classes == ("jump", "run", "walk the dog")
    np.testing.assert_array_equal(found.labels, [2, 1] * 5 + [2])
    some = selection.with_classes(named, ("run",))
    assert some.ids == ("v1", "v3", "v5", "v7", "v9")
    np.testing.assert_array_equal(some.labels, 0)
    np.testing.assert_array_equal(some.positions, [10, 30, 50, 70, 90])
    np.testing.assert_array_equal(some.aspect_labels["scene"][:, 0], [1, 3, 5, 7, 9])
    with pytest.raises(errors.DataError, match=r"demo/train has none of the classes"):
        selection.with_classes(named, ("swim",))


def test_hard_label_is_the_likeliest_where_there_is_one():
    split = a_split()
    split.aspect_labels["scene"][2] = [0.2, 0.6, 0.2]
    labels = selection.hard_labels(split, "scene")
    assert labels.tolist() == [-1, 0, 1, -1, 0, 0, -1, 0, 0, -1, 0]


def test_hard_labels_are_the_first_of_the_likeliest(monkeypatch):
    monkeypatch.setattr(selection, "_ROWS", 3)
    rng = np.random.default_rng(0)
    values = np.round(rng.dirichlet(np.ones(5), 11), 1).astype(np.float16)
    values[4] = [-0.0, 0, 0.5, 0.5, 0]
    mask = np.arange(11) != 7
    split = types.SimpleNamespace(
        aspect_labels={"scene": values}, aspect_mask={"scene": mask}
    )
    found = selection.hard_labels(split, "scene")
    expected = [max(range(5), key=lambda z, row=row: row[z]) for row in values]
    assert found.tolist() == [
        z if m else -1 for z, m in zip(expected, mask, strict=True)
    ]


def test_shuffling_deals_labels_and_mask_together_and_leaves_the_rest():
    before = a_split()
    after = selection.shuffle_aspects(before, seed=4)
    permuted = after.aspect_labels["scene"][:, 0].astype(int)
    assert sorted(permuted) == list(range(V))
    assert (permuted != np.arange(V)).sum() > V // 2
    np.testing.assert_array_equal(after.aspect_mask["scene"], permuted % 3 > 0)
    for field in dataclasses.fields(before):
        if not field.name.startswith("aspect"):
            assert getattr(after, field.name) is getattr(before, field.name)


def test_shuffling_depends_on_the_seed_alone():
    first, again, other = (
        selection.shuffle_aspects(a_split(), seed).aspect_labels["scene"][:, 0]
        for seed in (1, 1, 2)
    )
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


def test_videos_without_labels_occur_once_each_and_reveal_nothing():
    before = a_split()
    repeated = dataclasses.replace(
        before,
        ids=(*before.ids[:-2], "v3", "v1"),
        positions=np.array([*before.positions[:-2], 30, 10]),
    )
    after = selection.without_labels(repeated)
    assert after.ids == before.ids[:-2]
    np.testing.assert_array_equal(after.positions, before.positions[:-2])
    np.testing.assert_array_equal(after.labels, np.zeros(V - 2))
    assert not (after.aspects or after.aspect_labels or after.aspect_mask)
    assert len(after.classes) == 1


def test_held_out_videos_are_a_share_of_each_class_and_of_no_other():
    labels = np.repeat([0, 1, 2, 3], [50, 10, 33, 7]).astype(np.int32)
    ids = tuple(f"v{i:03}" for i in range(100))
    split = catalog.Split(
        *("demo", "train", ids, labels, tuple("abcd"), {}, {}, {}, None, np.arange(100))
    )
    kept, held = selection.hold_out(split, 0.2, seed=0)
    assert sorted(kept.ids + held.ids) == list(ids)
    assert len(held) == 20
    assert np.abs(np.bincount(held.labels) - 0.2 * np.bincount(labels)).max() < 1
    np.testing.assert_array_equal(held.labels, labels[held.positions])
    assert selection.hold_out(split, 0.2, seed=0)[1].ids == held.ids
    assert selection.hold_out(split, 0.2, seed=1)[1].ids != held.ids
    pairs = [[f"v{i:03}", f"v{i + 1:03}", "elsewhere"] for i in range(0, 60, 2)]
    together = [*pairs, ["gone"], list(ids[93:])]  # the last is the whole class 3
    kept, held = selection.hold_out(split, 0.2, 0, together)
    assert sorted(kept.ids + held.ids) == list(ids)
    assert all(len({*pair[:2]} & {*held.ids}) in (0, 2) for pair in pairs)
    assert (np.bincount(held.labels)[:3] > 0).all()
    assert 3 not in held.labels
    with pytest.raises(errors.ConfigError, match=r"0\.005 of 100 videos"):
        selection.hold_out(split, 0.005, seed=0)


def test_videos_across_classes_show_every_class_before_any_twice():
    labels = np.array([2, 2, 2, 0, 5, 2, 0, 2], np.int32)
    split = catalog.Split(
        *("demo", "test", tuple("abcdefgh"), labels, tuple("uvwxyz")),
        *({}, {}, {}, None, np.arange(8)),
    )

    def ids(count):
        return "".join(selection.across_classes(split, count).ids)

    assert ids(3) == "dae"
    assert ids(5) == "dgabe"
    assert ids(99) == "dgabcfhe"
    assert ids(2) == "de"  # of three classes the outer two
