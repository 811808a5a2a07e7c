import concurrent.futures
import errno
import json
import os
import pathlib

import numpy as np
import pytest

from smad_jax import errors
from smad_jax.base import aspect_table
from smad_jax.data import aspect_records, catalog, preparation, records

CLASSES = ("jump", "run", "sit")
IDS = [f"c {i % 3}/v{i}" for i in range(8)]
LABELS = [i % 3 for i in range(8)]


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "toy"
    with records.RecordWriter(folder / "videos", 2) as writer:
        for number, (id, label) in enumerate(zip(IDS, LABELS, strict=True)):
            writer.write(records.VideoRecord(id, id.encode(), label, 10 + number))
    catalog.write_split(folder, "train", IDS, LABELS)
    catalog.write_dataset_file(folder, name="toy", classes=CLASSES, num_videos=8)
    return tmp_path


def test_split_gives_videos_and_labels_in_the_order_of_its_list(root):
    order = [5, 2, 7]
    chosen = [IDS[i] for i in order]
    catalog.write_split(root / "toy", "few", chosen, [LABELS[i] for i in order])
    split = catalog.open_split(root, "toy", "few")
    assert list(split.ids) == chosen
    assert split.labels.tolist() == [2, 2, 1]
    assert split.labels.dtype == np.int32
    assert split.classes == CLASSES
    assert len(split) == 3
    for row, number in enumerate(order):
        stored = catalog.StoredVideo(IDS[number].encode(), 10 + number)
        assert split.video(row) == stored


@pytest.mark.parametrize("block", [2, 4096])
@pytest.mark.parametrize("cached", [0, 1 << 20])
def test_labels_are_joined_block_by_block(root, monkeypatch, block, cached):
    monkeypatch.setattr(catalog, "_CACHED_BYTES", cached)
    monkeypatch.setattr(aspect_records, "_BLOCK", block)
    values = np.random.default_rng(0).random((6, 5)).astype(np.float16)
    stored = [IDS[6], "unused", IDS[1], IDS[0], IDS[7], IDS[3]]
    scene = aspect_table.Aspect("scene", "soft", 5, "a test")
    catalog.add_aspect(root / "toy", scene, stored, values)
    listed = [IDS[n] for n in (3, 6, 0, 2, 6, 7, 1)]  # one twice, one without label
    catalog.write_split(
        root / "toy", "some", listed, [LABELS[n] for n in (3, 6, 0, 2, 6, 7, 1)]
    )
    split = catalog.open_split(root, "toy", "some", aspects=("scene",))
    rows = [5, 0, 3, None, 0, 4, 2]
    expected = [np.zeros(5) if row is None else values[row] for row in rows]
    np.testing.assert_array_equal(split.aspect_labels["scene"], expected)
    assert isinstance(split.aspect_labels["scene"], np.memmap) == (cached == 0)


def test_full_disk_leaves_no_half_made_cache(root, monkeypatch):
    monkeypatch.setattr(catalog, "_CACHED_BYTES", 0)
    aspect_records.write(root / "toy", "scene", IDS, np.full((8, 6), 0.25))

    def full(*unused):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        catalog.open_split(root, "toy", "train", aspects=("scene",))
    assert not list((root / "toy/aspects").glob("*.npy*"))
    assert not list((root / "toy/aspects").glob(".*partial*"))


def test_cache_is_used_where_nothing_can_be_written(root, monkeypatch):
    monkeypatch.setattr(catalog, "_CACHED_BYTES", 0)
    aspect_records.write(root / "toy", "scene", IDS, np.full((8, 6), 0.25))
    catalog.open_split(root, "toy", "train", aspects=("scene",))
    monkeypatch.setattr(os, "access", lambda *unused: False)
    split = catalog.open_split(root, "toy", "train", aspects=("scene",))
    assert isinstance(split.aspect_labels["scene"], np.memmap)


def test_aspect_labels_are_joined_by_id_and_masked_where_missing(root):
    values = np.arange(15.0).reshape(3, 5)
    scene = aspect_table.Aspect("scene", "soft", 5, "a test")
    catalog.add_aspect(root / "toy", scene, [IDS[6], "unused", IDS[1]], values)
    split = catalog.open_split(root, "toy", "train", aspects=("scene",))
    assert split.aspects == {"scene": scene}
    mask = split.aspect_mask["scene"]
    assert np.flatnonzero(mask).tolist() == [1, 6]
    labels = split.aspect_labels["scene"]
    assert labels.dtype == np.float16
    np.testing.assert_array_equal(labels[[1, 6]], values[[2, 0]])
    assert not labels[~mask].any()


def test_large_aspect_labels_are_mapped_and_made_again_when_they_change(
    root, monkeypatch
):
    monkeypatch.setattr(catalog, "_CACHED_BYTES", 0)
    folder = root / "toy"
    for value in (0.25, 0.5):
        aspect_records.write(folder, "scene", IDS, np.full((8, 6), value))
        for _ in range(2):  # the second time from the cache
            split = catalog.open_split(root, "toy", "train", aspects=("scene",))
            labels = split.aspect_labels["scene"]
            assert isinstance(labels, np.memmap)
            np.testing.assert_array_equal(labels, np.full((8, 6), value))
        assert len(list((folder / "aspects").glob(".scene.train.*.npy"))) == 1
    assert (
        split.aspects["scene"].num_labels == 6
    )  # not in dataset.json, so read from the file


def test_a_cache_that_another_process_published_first_is_kept(root, monkeypatch):
    monkeypatch.setattr(catalog, "_CACHED_BYTES", 0)
    folder = root / "toy"
    aspect_records.write(folder, "scene", IDS, np.full((8, 6), 0.25))
    published = []
    blocks = aspect_records.AspectReader.blocks

    def read_while_another_process_publishes(*arguments):
        if not published:
            published.append(None)
            split = catalog.open_split(root, "toy", "train", aspects=("scene",))
            published[0] = split.aspect_labels["scene"]
            assert list(folder.glob("aspects/.scene.train.*.npy"))
        return blocks(*arguments)

    removed = []
    unlink = pathlib.Path.unlink

    def note(path, **options):
        removed.extend([path.name] * path.exists())
        unlink(path, **options)

    monkeypatch.setattr(
        aspect_records.AspectReader, "blocks", read_while_another_process_publishes
    )
    monkeypatch.setattr(pathlib.Path, "unlink", note)
    split = catalog.open_split(root, "toy", "train", aspects=("scene",))
    assert removed == []
    for labels in (split.aspect_labels["scene"], published[0]):
        np.testing.assert_array_equal(labels, np.full((8, 6), 0.25))


def test_a_cache_that_vanishes_before_it_is_read_is_made_again(root, monkeypatch):
    monkeypatch.setattr(catalog, "_CACHED_BYTES", 0)
    folder = root / "toy"
    aspect_records.write(folder, "scene", IDS, np.full((8, 6), 0.25))
    catalog.open_split(root, "toy", "train", aspects=("scene",))
    load = np.load

    def load_too_late(path, **options):
        monkeypatch.setattr(np, "load", load)
        path.unlink()
        return load(path, **options)

    monkeypatch.setattr(np, "load", load_too_late)
    split = catalog.open_split(root, "toy", "train", aspects=("scene",))
    assert (split.aspect_labels["scene"] == 0.25).all()
    assert len(list(folder.glob("aspects/.scene.train.*.npy"))) == 1


def test_cache_of_a_split_with_a_longer_name_is_kept(root, monkeypatch):
    monkeypatch.setattr(catalog, "_CACHED_BYTES", 0)
    aspect_records.write(root / "toy", "scene", IDS, np.full((8, 6), 0.25))
    catalog.write_split(root / "toy", "train.few", IDS[:2], LABELS[:2])
    for split in ("train.few", "train"):
        catalog.open_split(root, "toy", split, aspects=("scene",))
    assert len(list((root / "toy/aspects").glob(".scene.train.few.*.npy"))) == 1


def test_a_split_may_number_its_own_classes(root):
    catalog.write_split(root / "toy", "web", IDS[:2], [1, 0], classes=["b", "a"])
    split = catalog.open_split(root, "toy", "web")
    assert split.classes == ("b", "a")
    catalog.write_split(root / "toy", "web", IDS[:2], [1, 2])
    assert catalog.open_split(root, "toy", "web").classes == CLASSES


def test_repeated_lines_stay(root):
    path = root / "toy" / "splits" / "test.txt"
    path.write_text(f"{IDS[0]} 0\r\n\r\n{IDS[0]} 0", "utf-8")
    assert catalog.open_split(root, "toy", "test").ids == (IDS[0], IDS[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{IDS[0]} 0\n{IDS[1]} one\n", "line 2: expected `id label`"),
        (f"{IDS[0]} 3\n", r"line 1: label 3 of 'c 0/v0' must be 0 to 2"),
        (f"{IDS[0]} -1\n", "label -1 .*counted from 0"),
        ("c 0/v9 0\n", "no record has the id 'c 0/v9'; did you mean"),
        (f"{IDS[0]} 0\n{IDS[0]} 1\n", "line 2: .* has label 1, but 0"),
        ("justone\n", "expected `id label`"),
        ("\n", "lists no video"),
    ],
)
def test_wrong_line_is_named_with_its_rule(root, text, message):
    (root / "toy" / "splits" / "bad.txt").write_text(text)
    with pytest.raises(errors.DataError, match=message):
        catalog.open_split(root, "toy", "bad")


def test_empty_class_stops_a_training_split_only(root):
    catalog.write_split(root / "toy", "two", IDS[:2], LABELS[:2])
    assert len(catalog.open_split(root, "toy", "two")) == 2
    with pytest.raises(errors.DataError, match=r"1 of 3 classes .* 'sit'"):
        catalog.open_split(root, "toy", "two", require_all_classes=True)


@pytest.mark.parametrize(
    ("dataset", "split", "aspect", "message"),
    [
        (
            "tay",
            "train",
            (),
            "did you mean 'toy'.*data_prep.build_records .* --name tay",
        ),
        ("embedded-seed4", "train", (), "python -m data_prep.embedded --seed 4"),
        ("toy", "trian", (), "did you mean 'train'.*there is: train"),
        ("toy", "train", ("object",), "data_prep.pseudo_label .* --aspect object"),
        ("toy", "train", ("event",), "data_prep.hvu_tags .* --dataset toy"),
        ("toy", "k200db-val", (), "data_prep.k200db .* --split train"),
        ("toy", "webcam", (), "write the split's `id label` lines to .*webcam.txt"),
    ],
)
def test_what_is_missing_comes_with_the_command_that_makes_it(
    root, dataset, split, aspect, message
):
    with pytest.raises(catalog.MissingDataError, match=f"(?s){message}") as caught:
        catalog.open_split(root, dataset, split, aspects=aspect)
    steps = preparation.commands(root, dataset, split, aspects=aspect)
    assert list(caught.value.steps) == steps


def test_data_set_without_its_file_is_incomplete(root):
    (root / "toy" / "dataset.json").unlink()
    with pytest.raises(errors.DataError, match="is incomplete"):
        catalog.open_split(root, "toy", "train")


def test_malformed_data_set_file_is_a_data_error(root):
    path = root / "toy" / "dataset.json"
    path.write_text(json.dumps({"name": "toy"}))
    with pytest.raises(errors.DataError, match=r"json is damaged .*lacks .classes"):
        catalog.read_dataset_file(root / "toy")


@pytest.mark.parametrize("content", ["7\n", '"ab"\n', "[1, 2]\n", "[", "\udcff"])
def test_damaged_list_of_copies_is_a_data_error(root, content):
    path = root / "toy" / "copies.jsonl"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(errors.DataError, match=r"copies\.jsonl is damaged"):
        catalog.read_copies(root / "toy")


def test_data_set_file_comes_back(root):
    scene = aspect_table.Aspect("scene", "soft", 16, "ünïcode")
    catalog.write_dataset_file(
        root / "toy",
        name="toy",
        classes=CLASSES,
        num_videos=8,
        aspects={"scene": scene},
        recipe={"seed": 3, "deep": {"a": [1, 2]}},
    )
    found = catalog.read_dataset_file(root / "toy")
    assert found.aspects == {"scene": scene}
    assert found.recipe == {"seed": 3, "deep": {"a": [1, 2]}}
    assert (found.classes, found.num_videos) == (CLASSES, 8)


def test_aspect_of_the_wrong_width_is_refused(root):
    scene = aspect_table.Aspect("scene", "soft", 4, "a test")
    with pytest.raises(errors.DataError, match=r"must be \[V, 4\]"):
        catalog.add_aspect(root / "toy", scene, IDS, np.zeros((8, 5)))


@pytest.mark.parametrize("id", ["a\nb", "", "a\rb"])
def test_split_refuses_ids_that_are_not_lines(root, id):
    with pytest.raises(errors.DataError, match="single line"):
        catalog.write_split(root / "toy", "x", [id], [0])


def test_split_refuses_lengths_that_disagree(root):
    with pytest.raises(errors.DataError, match="2 ids but 1 labels"):
        catalog.write_split(root / "toy", "x", ["a", "b"], [0])


@pytest.mark.parametrize("name", ["/abs/dir", "../other", "a/b", "", ".", None, 3])
def test_data_set_cannot_name_another_folder(root, name):
    path = root / "toy" / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "name": name}))
    with pytest.raises(errors.DataError, match=r"dataset.json is damaged .*the name"):
        catalog.open_split(root, "toy", "train")


def test_split_of_a_renamed_data_set_has_the_name_of_its_folder(root):
    (root / "toy").rename(root / "mine")
    assert catalog.open_split(root, "mine", "train").dataset == "mine"


def test_aspects_that_are_added_at_once_are_all_entered(root):
    names = [f"aspect{number}" for number in range(12)]

    def add(name):
        aspect = aspect_table.Aspect(name, "soft", 5, "a test")
        catalog.add_aspect(root / "toy", aspect, IDS, np.full((8, 5), 0.2), "abcde")

    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(add, names))
    assert set(catalog.read_dataset_file(root / "toy").aspects) == set(names)
    assert set(catalog.labelled_aspects(root / "toy")) == set(names)
