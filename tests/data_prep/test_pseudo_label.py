import numpy as np
import pytest

from data_prep import embedded_videos, pseudo_label
from smad_jax import errors
from smad_jax.data import catalog, embedded, records

V = 36


@pytest.fixture
def data_root(tmp_path):
    """Videos of three very different scenes, one of them cut short."""
    folder = tmp_path / "tiny"
    factors = embedded.Factors(
        np.arange(V) % 10, np.array([0, 8, 11])[np.arange(V) % 3], np.full(V, -1)
    )
    clips = embedded.render(factors, seed=0, stream=0)
    with records.RecordWriter(folder / "videos", 2) as writer:
        for row in range(V):
            file = embedded_videos.encode(clips.video[row])
            if row == V - 1:
                file = file[:60]
            writer.write(records.VideoRecord(f"clip {row:02}", file, row % 10, 4))
    catalog.write_split(
        folder, "train", [f"clip {row:02}" for row in range(V)], factors.action
    )
    catalog.write_dataset_file(
        folder, name="tiny", classes=embedded.ACTIONS, num_videos=V
    )
    return tmp_path


def run(data_root, *more):
    return pseudo_label.main(
        ["--data-root", str(data_root), "--dataset", "tiny", *more]
    )


def test_probabilities_of_a_csv_are_joined_by_id(data_root, tmp_path, capsys):
    file = tmp_path / "labels.csv"
    file.write_text("id,a,b,c\nclip 03,0.2,0.5,0.3\nclip 01,1,0,0\n")
    assert run(data_root, "--from", str(file)) == 0
    assert "for 2 of 36 videos" in capsys.readouterr().out
    split = catalog.open_split(data_root, "tiny", "train", aspects=("scene",))
    assert split.aspects["scene"].num_labels == 3
    assert np.flatnonzero(split.aspect_mask["scene"]).tolist() == [1, 3]
    np.testing.assert_allclose(
        split.aspect_labels["scene"][3], [0.2, 0.5, 0.3], atol=1e-3
    )


def test_hard_labels_of_a_csv_become_one_hot(data_root, tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("clip 03,4\nclip 01,0\n")
    assert run(data_root, "--from", str(file), "--num-labels", "5") == 0
    split = catalog.open_split(data_root, "tiny", "train", aspects=("scene",))
    assert split.aspect_labels["scene"][3].tolist() == [0, 0, 0, 0, 1]


def test_hard_scene_labels_are_places365s_unless_told_otherwise(data_root, tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("id,label\nclip 03,364\n")
    assert run(data_root, "--from", str(file)) == 0
    facts = catalog.read_dataset_file(data_root / "tiny")
    assert facts.aspects["scene"].num_labels == 365


def test_an_npz_is_joined_by_id(data_root, tmp_path):
    file = tmp_path / "labels.npz"
    np.savez(file, ids=["clip 02"], probabilities=np.array([[0.25, 0.75]], np.float32))
    assert run(data_root, "--from", str(file), "--aspect", "object") == 0
    split = catalog.open_split(data_root, "tiny", "train", aspects=("object",))
    assert split.aspect_labels["object"][2].tolist() == [0.25, 0.75]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clip 01,.5,.5\nclip 02,.5,.6\n", "line 2: .* the sum 1.1"),
        ("clip 01,.5,.5\nclip 02,1.5,-.5\n", "line 2: .* the least is -0.5"),
        ("clip 01,.5,.5\nclip 02,nan,.5\n", "line 2: probability 0 is not finite"),
        ("clip 01,.5,.5\nclip 02,.2,.3,.5\n", "line 2: 4 columns, but .* have 3"),
        ("clip 01,.5,.5\nclip 02,half,.5\n", "line 2: could not convert .*'half'"),
        ("clip 01,.5,.5\nclip 01,.5,.5\n", "line 2: id 'clip 01' was on line 1"),
        ("id,p0,p1\n", "holds no labels"),
        ("clip 01\n", "line 1: expected `id,p0,p1,...`"),
    ],
)
def test_a_broken_row_is_named_with_its_line(tmp_path, text, message):
    file = tmp_path / "labels.csv"
    file.write_text(text)
    with pytest.raises(errors.DataError, match=message):
        pseudo_label.read_csv(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,2.5\n", "label 2.5 must be a whole number from 0 to 6"),
        ("a,7\n", "label 7 must be a whole number from 0 to 6"),
        ("a,nan\n", "label nan must be"),
        ("a,.5,.5\n", "2 probabilities, but the aspect has 7 labels"),
    ],
)
def test_labels_beyond_the_aspects_number_are_refused(tmp_path, text, message):
    file = tmp_path / "labels.csv"
    file.write_text(text)
    with pytest.raises(errors.DataError, match=message):
        pseudo_label.read_csv(file, num_labels=7)


def test_hard_labels_without_their_number_are_refused(tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text("a,2\n")
    with pytest.raises(errors.DataError, match="--num-labels"):
        pseudo_label.read_csv(file)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"ids": ["a"]}, "probabilities"),
        ({"ids": ["a"], "probabilities": np.ones((2, 1))}, r"\[1, Z\]"),
        ({"ids": ["a", "a"], "probabilities": np.ones((2, 1))}, "row 1: id 'a' comes"),
        ({"ids": ["a"], "probabilities": np.full((1, 2), np.nan)}, "row 0: .* finite"),
    ],
)
def test_a_broken_npz_is_refused(tmp_path, arrays, message):
    file = tmp_path / "labels.npz"
    np.savez(file, **arrays)
    with pytest.raises(errors.DataError, match=message):
        pseudo_label.read_npz(file)


def test_labels_of_unknown_videos_are_refused_with_a_near_match(
    data_root, tmp_path, capsys
):
    file = tmp_path / "labels.csv"
    file.write_text("clip 01,.5,.5\nclip_02,.5,.5\n")
    assert run(data_root, "--from", str(file)) == 3
    assert "'clip_02'; did you mean 'clip 02'?" in capsys.readouterr().err


def test_a_missing_file_is_refused(data_root, tmp_path, capsys):
    assert run(data_root, "--from", str(tmp_path / "none.csv")) == 3
    assert "no file of labels" in capsys.readouterr().err


def test_aspects_with_tags_are_refused(data_root, capsys):
    assert run(data_root, "--labeller", "appearance", "--aspect", "event") == 2
    assert "tags given by people" in capsys.readouterr().err


def appearance(data_root):
    return pseudo_label.label_by_appearance(
        data_root / "tiny", num_labels=3, num_frames=2, seed=0, num_jobs=2
    )


def test_appearance_tells_scenes_apart_and_leaves_broken_videos_out(data_root):
    labels = appearance(data_root)
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
    labels = appearance(data_root)
    assert len(labels.ids) == V - 2
    assert "clip 34" not in labels.ids
    output = capsys.readouterr().err
    for name in ("clip 34", f"clip {V - 1}"):
        assert f"no label for '{name}'" in output


def test_appearance_gives_the_same_labels_twice(data_root):
    first, again = appearance(data_root), appearance(data_root)
    np.testing.assert_array_equal(first.values, again.values)


def test_the_command_stores_labels_by_appearance(data_root, capsys):
    assert run(data_root, "--labeller", "appearance", "--num-labels", "4") == 0
    assert "35 of 36 videos" in capsys.readouterr().out
    split = catalog.open_split(data_root, "tiny", "train", aspects=("scene",))
    assert split.aspects["scene"].num_labels == 4
    assert split.aspects["scene"].source == "clusters of appearance"
    assert not split.aspect_mask["scene"][V - 1]


def test_large_clusters_come_first():
    rng = np.random.default_rng(0)
    spots = np.repeat([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]], [5, 20, 10], axis=0)
    values = pseudo_label.cluster(spots + rng.normal(0, 0.1, (35, 2)), 3, seed=1)
    assert np.bincount(values.argmax(axis=1)).tolist() == [20, 10, 5]


@pytest.mark.parametrize("num_labels", [1, 4])
def test_more_clusters_than_different_videos_are_refused(num_labels):
    spots = np.array([[0.0], [0.0], [1.0], [2.0]])
    with pytest.raises(errors.DataError, match="must be 2 to 3"):
        pseudo_label.cluster(spots, num_labels, seed=0)
