import os

import pytest

from data_prep.lists import class_folders, wanted_videos
from smad_jax import errors
from smad_jax.data import video


def test_class_folders_are_found_in_order_of_their_names(tmp_path):
    for name in ("sit/b.mp4", "sit/deep/a.AVI", "jump/é.webm", "jump/note.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    source = class_folders.find_videos(tmp_path)
    assert source.hold_out
    assert [(e.id, e.label) for e in source.splits["train"]] == [
        ("jump/é.webm", "jump"),
        ("sit/b.mp4", "sit"),
        ("sit/deep/a.AVI", "sit"),
    ]


def test_train_and_val_folders_are_splits_not_classes(tmp_path):
    for name in ("videos_train/sit/a.mp4", "videos_val/sit/b.mp4"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.touch()
    source = class_folders.find_videos(tmp_path)
    assert [(e.id, e.label) for e in source.splits["train"]] == [
        ("videos_train/sit/a.mp4", "sit")
    ]
    assert [e.id for e in source.splits["val"]] == ["videos_val/sit/b.mp4"]


def make(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("train", "test"), {"train": "train", "val": "test"}),
        (("Train", "Validation"), {"train": "Train", "val": "Validation"}),
        (("training", "validation"), {"train": "training", "val": "validation"}),
        (
            ("train", "val", "test"),
            {"train": "train", "val": "val", "test": "test"},
        ),
        (("train",), {"train": "train"}),
    ],
)
def test_parts_above_the_classes_are_splits(tmp_path, folders, splits):
    for folder in folders:
        make(tmp_path, f"{folder}/walk/a.mp4", f"{folder}/run/b.mp4")
    source = class_folders.find_videos(tmp_path)
    assert {
        split: entries[0].id.split("/")[0] for split, entries in source.splits.items()
    } == splits
    assert list(source.classes) == ["run", "walk"]
    assert source.hold_out == (len(folders) == 1)
    assert bool(source.notes) == ("test" in folders)


def test_class_called_train_is_a_class(tmp_path):
    make(tmp_path, "train/a.mp4", "bus/b.mp4")
    assert list(class_folders.find_videos(tmp_path).classes) == ["bus", "train"]


def test_numbers_as_folder_names_are_classes_in_their_order(tmp_path):
    make(tmp_path, *(f"{n}/a.mp4" for n in (1, 2, 3, 10)))
    source = class_folders.find_videos(tmp_path)
    found = wanted_videos.resolve(tmp_path, source, None)
    assert found.classes == ["1", "2", "3", "10"]
    assert found.label_of == {"1/a.mp4": 0, "10/a.mp4": 3, "2/a.mp4": 1, "3/a.mp4": 2}


def test_what_systems_leave_behind_is_no_class_and_no_video(tmp_path):
    make(tmp_path, "walk/a.mp4", "run/b.mp4", "run/Thumbs.db", "run/._b.mp4")
    make(tmp_path, "__MACOSX/walk/._a.mp4", "__MACOSX/walk/a.mp4", "Thumbs.db")
    source = class_folders.find_videos(tmp_path)
    assert [entry.id for entry in source.splits["train"]] == ["run/b.mp4", "walk/a.mp4"]
    assert not source.notes


def test_linked_folders_are_followed_and_loops_end(tmp_path):
    make(tmp_path, "store/deep/a.mp4", "data/walk/own.mp4")
    (tmp_path / "data" / "walk" / "linked").symlink_to(tmp_path / "store")
    (tmp_path / "store" / "deep" / "back").symlink_to(tmp_path / "store")
    (tmp_path / "data" / "run").symlink_to(tmp_path / "store" / "deep")
    source = class_folders.find_videos(tmp_path / "data")
    assert [entry.id for entry in source.splits["train"]] == [
        "run/a.mp4",
        "walk/linked/deep/a.mp4",
        "walk/own.mp4",
    ]


def test_classes_that_differ_in_capitals_alone_are_noted(tmp_path):
    make(tmp_path, "Walk/a.mp4", "walk/b.mp4", "run/c.mp4")
    source = class_folders.find_videos(tmp_path)
    assert list(source.classes) == ["Walk", "run", "walk"]
    assert "'Walk', 'walk'" in source.notes[0]


def test_folder_without_videos_is_a_data_error(tmp_path):
    with pytest.raises(errors.DataError, match="--list"):
        class_folders.find_videos(tmp_path)


def test_ignored_files_are_counted(tmp_path):
    for name in ("sit/b.mp4", "sit/b.srt", "sit/c.SRT", "jump/a.jpg", "run/", ".git/x"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.touch()
    files, folders = class_folders.find_videos(tmp_path).notes
    assert "3 files" in files and files.endswith(": 2 .srt, 1 .jpg")
    assert "2 folders" in folders and folders.endswith("'jump', 'run'")
    images = class_folders.find_videos(tmp_path, video.IMAGE_EXTENSIONS)
    assert [entry.id for entry in images.splits["train"]] == ["jump/a.jpg"]


def test_file_name_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "sit").mkdir()
    with open(os.fsencode(tmp_path / "sit") + b"/fil\xe9.mp4", "wb"):
        pass
    source = class_folders.find_videos(tmp_path)
    with pytest.raises(errors.DataError, match="not valid UTF-8; rename the file"):
        wanted_videos.resolve(tmp_path, source, None)


def test_folder_of_annotations_does_not_make_classes_of_the_parts(tmp_path):
    make(tmp_path, "train/walk/a.mp4", "val/walk/b.mp4", "annotations/list.csv")
    source = class_folders.find_videos(tmp_path)
    assert source.classes == ["walk"]
    assert any("'annotations'" in note for note in source.notes)


def test_video_in_no_class_folder_is_noted(tmp_path):
    make(tmp_path, "walk/a.mp4", "b.mp4", "c.txt")
    (note,) = class_folders.find_videos(tmp_path).notes
    assert "1 files" in note and "'b.mp4'" in note


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (
            ("train/walk/a.mp4", "val/walk/b.mp4", "validation/walk/c.mp4"),
            "'validation",
        ),
        (("train/walk/a.mp4", "training/walk/c.mp4"), "'training'"),
        (("train/walk/a.mp4", "val/b.mp4"), "val holds files but no class folders"),
        (("train/a.mp4", "val/b.mp4"), "train holds files but no class folders"),
        (("train/a.mp4",), "train holds files but no class folders"),
        (("train/walk/a.mp4", "val/walk/b.mp4", "extra/c.mp4"), "'extra'"),
        (("train/walk/a.mp4", "extra/c.mp4"), "'extra'"),
        (("val/walk/a.mp4", "test/walk/b.mp4"), "no train"),
    ],
)
def test_parts_that_cannot_be_read_never_become_classes(tmp_path, names, named):
    make(tmp_path, *names)
    with pytest.raises(errors.DataError, match=named):
        class_folders.find_videos(tmp_path)


def test_part_without_videos_is_no_split_and_is_noted(tmp_path):
    make(tmp_path, "train/walk/a.mp4", "train/run/b.mp4", "val/readme.txt")
    source = class_folders.find_videos(tmp_path)
    assert source.classes == ["run", "walk"] and source.hold_out
    assert "'val'" in source.notes[0]
