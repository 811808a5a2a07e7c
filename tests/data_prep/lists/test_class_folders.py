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
