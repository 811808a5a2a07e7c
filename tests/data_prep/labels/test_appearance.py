import numpy as np
import pytest

from data_prep.labels import appearance
from smad_jax import errors
from smad_jax.data import records

V = 36


def label(data_root):
    return appearance.label_by_appearance(
        records.RecordReader(data_root / "tiny", "videos"),
        num_labels=3,
        num_frames=2,
        seed=0,
        num_jobs=2,
    ).labels


def test_appearance_tells_scenes_apart_and_leaves_broken_videos_out(data_root):
    labels = label(data_root)
    assert len(labels.ids) == V - 1
    np.testing.assert_allclose(labels.values.sum(axis=1), 1, rtol=1e-5)
    hard = labels.values.argmax(axis=1)
    truth = np.arange(V - 1) % 3
    assert all(len(set(hard[truth == scene].tolist())) == 1 for scene in range(3))
    assert len(set(hard[:3].tolist())) == 3


def test_appearance_names_and_leaves_out_damaged_records(data_root, capsys):
    path = data_root / "tiny" / "videos-00000-of-00002.tfrecord"
    content = bytearray(path.read_bytes())
    content[-50] ^= 1  # in the last record of this shard
    path.write_bytes(content)
    labels = label(data_root)
    assert len(labels.ids) == V - 2
    assert "clip 34" not in labels.ids
    output = capsys.readouterr().err
    for name in ("clip 34", f"clip {V - 1}"):
        assert f"no label for '{name}'" in output


def test_appearance_gives_the_same_labels_twice(data_root):
    first, again = label(data_root), label(data_root)
    np.testing.assert_array_equal(first.values, again.values)


def test_large_clusters_come_first():
    rng = np.random.default_rng(0)
    spots = np.repeat([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], [5, 20, 10], axis=0)
    spots = spots + rng.normal(0, 0.1, (35, 2))
    values = appearance.fit(spots, 3, seed=1).label(spots)
    assert np.bincount(values.argmax(axis=1)).tolist() == [20, 10, 5]


@pytest.mark.parametrize("num_labels", [1, 4])
def test_more_clusters_than_different_videos_are_refused(num_labels):
    spots = np.array([[0.0], [0.0], [1.0], [2.0]])
    with pytest.raises(errors.DataError, match="must be 2 to 3"):
        appearance.fit(spots, num_labels, seed=0)


def test_few_videos_get_fewer_labels_where_nobody_says_how_many(data_root):
    labels = appearance.label_by_appearance(
        records.RecordReader(data_root / "tiny", "videos"),
        num_labels=None,
        num_frames=2,
        seed=0,
        num_jobs=2,
    ).labels
    assert labels.values.shape == (V - 1, (V - 1) // 4)


@pytest.mark.parametrize(
    ("hard", "warned"),
    [([0, 0, 1, 1, 3, 4], True), ([0, 0, 1, 1, 2, 2, 3, 0], False)],
)
def test_labels_of_single_videos_are_warned_of_where_they_are_many(hard, warned):
    warning = appearance.warning(np.eye(6)[hard])
    assert bool(warning) == warned
    assert ("4 of 6 labels" in warning) == warned


def test_clusters_of_one_data_set_label_another_alike(data_root, tmp_path):
    folder = records.RecordReader(data_root / "tiny", "videos")
    first = appearance.label_by_appearance(
        folder, num_labels=3, num_frames=2, seed=0, num_jobs=2
    )
    appearance.store_clusters(tmp_path, "scene", first.clusters)
    clusters = appearance.read_clusters(tmp_path, "scene")
    assert clusters.source == first.clusters.source
    again = appearance.label_by_appearance(
        folder, num_labels=None, num_frames=2, seed=5, num_jobs=2, clusters=clusters
    )
    np.testing.assert_array_equal(again.labels.values, first.labels.values)
    other = appearance.fit(np.random.default_rng(0).random((9, 2)), 3, seed=0)
    assert other.source != clusters.source
    with pytest.raises(errors.DataError, match=r"no clusters .* 'object'"):
        appearance.read_clusters(tmp_path, "object")
