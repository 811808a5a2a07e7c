import errno
import json
import pathlib
import subprocess
import sys
import unicodedata

import cv2
import numpy as np
import pytest

from configs import data
from data_prep import build_records, pseudo_label
from data_prep.records import video_files
from smad_jax.data import (
    catalog,
    images,
    jpeg_frames,
    record_files,
    records,
    video,
)
from tests.helpers import noise_videos


@pytest.fixture
def films(tmp_path):
    """Class folders with 5, 3 and 1 good videos, and three bad ones."""
    folder = tmp_path / "my films"
    names = [f"sit down/{i}.mp4" for i in range(5)]
    names += ["-jump/-a.mp4", "-jump/ü b.mp4", "-jump/c.mp4", "run/only.mp4"]
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise_videos.encode(3 + seed % 2, seed))
    (folder / "sit down/cut.mp4").write_bytes(noise_videos.encode(9)[:-700])
    (folder / "sit down/text.avi").write_bytes(b"no video" * 99)
    (folder / "run/gone.mp4").symlink_to(folder / "nowhere.mp4")
    return folder


def run(tmp_path, films, *more, name="toy"):
    return build_records.main(
        ["--videos", str(films), "--name", name, "--out", str(tmp_path / "data"), *more]
    )


def test_class_folders_become_a_data_set(tmp_path, films, capsys):
    assert run(tmp_path, films) == 0
    root = tmp_path / "data"
    facts = catalog.read_dataset_file(root / "toy")
    assert facts.classes == ("-jump", "run", "sit down")
    assert facts.num_videos == 9
    train = catalog.open_split(root, "toy", "train", require_all_classes=True)
    val = catalog.open_split(root, "toy", "val")
    everything = catalog.open_split(root, "toy", "all")
    assert (len(train), len(val)) == (7, 2)
    assert set(train.ids) | set(val.ids) == set(everything.ids)
    assert "-jump/ü b.mp4" in everything.ids
    for row, id in enumerate(everything.ids):
        stored = everything.video(row)
        assert stored.video == (films / id).read_bytes()
        assert stored.num_frames in (3, 4)
        expected = video.packet_places(stored.video, stored.num_frames)
        assert stored.packets == expected != b""
    output = capsys.readouterr()
    assert "75.0% of the videos" in output.out
    assert "9 of 12 videos (75.0%), 3 classes; splits: train 7, val 2" in output.out
    assert "main.py --config configs/slowonly_baseline.py:toy" in output.out
    assert "--dataset toy --aspect scene --labeller appearance" in output.out
    assert "12 of 12 videos, 3 left out" in output.err


@pytest.fixture
def pictures(tmp_path):
    """Class folders with images, one of them cut, beside a video."""
    folder = tmp_path / "pictures"
    rng = np.random.default_rng(0)
    for name in ("golf/a.JPG", "golf/b c.png", "-run/d.jpeg", "-run/cut.jpg"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = rng.integers(0, 256, (24, 32, 3), np.uint8)
        path.write_bytes(cv2.imencode(path.suffix, picture)[1].tobytes())
    path.with_name("cut.jpg").write_bytes(path.read_bytes()[:-30])
    (folder / "golf/film.mp4").write_bytes(noise_videos.encode(3))
    return folder


def test_folders_of_images_become_a_data_set(tmp_path, pictures, capsys):
    assert run(tmp_path, pictures, "--images", "--holdout", "0") == 0
    split = catalog.open_split(tmp_path / "data", "toy", "all")
    assert split.classes == ("-run", "golf")
    assert split.ids == ("-run/d.jpeg", "golf/a.JPG", "golf/b c.png")
    for row, id in enumerate(split.ids):
        assert split.video(row) == catalog.StoredVideo((pictures / id).read_bytes(), 1)
    assert "truncated" in capsys.readouterr().out
    facts = catalog.read_dataset_file(tmp_path / "data/toy")
    assert facts.recipe["images"] is True
    assert facts.recipe["bad"] == {"truncated": 1}


def test_list_may_name_images_and_videos(tmp_path, pictures):
    path = tmp_path / "list.txt"
    path.write_text("golf/b c.png golf\ngolf/film.mp4 golf\n-run/d.jpeg -run\n")
    assert run(tmp_path, pictures, "--list", str(path), "--holdout", "0") == 0
    split = catalog.open_split(tmp_path / "data", "toy", "all")
    counts = [split.video(row).num_frames for row in range(3)]
    assert dict(zip(split.ids, counts, strict=True)) == {
        "golf/b c.png": 1,
        "golf/film.mp4": 3,
        "-run/d.jpeg": 1,
    }


def test_images_of_every_format_are_decoded_and_other_files_reported(
    tmp_path, pictures, capsys
):
    picture = np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8)
    for extension in ("webp", "bmp", "gif", "tiff"):
        content = cv2.imencode(f".{extension}", picture)[1].tobytes()
        (pictures / f"golf/{extension}.{extension}").write_bytes(content)
        (pictures / f"golf/cut-{extension}.{extension}").write_bytes(content[:-50])
    (pictures / "golf/vector.svg").write_text("<svg/>")
    assert run(tmp_path, pictures, "--images", "--holdout", "0") == 0
    split = catalog.open_split(tmp_path / "data", "toy", "all")
    for extension in ("webp", "bmp", "gif", "tiff"):
        row = split.ids.index(f"golf/{extension}.{extension}")
        decoded = video.decode(split.video(row).video, [0])[0]
        assert decoded.shape == (24, 32, 3)
        if extension in ("bmp", "tiff"):
            np.testing.assert_array_equal(decoded, picture[..., ::-1])
        assert f"golf/cut-{extension}.{extension}" not in split.ids
    output = capsys.readouterr().out
    assert ": 1 .mp4, 1 .svg" in output


def test_images_beside_videos_are_ignored_by_default(tmp_path, pictures, capsys):
    assert run(tmp_path, pictures, "--holdout", "0") == 0
    output = capsys.readouterr().out
    assert ": 2 .jpg, 1 .jpeg, 1 .png" in output
    assert "1 folders" in output and ": '-run'" in output
    assert catalog.open_split(tmp_path / "data", "toy", "all").ids == ("golf/film.mp4",)
    (pictures / "golf/film.mp4").unlink()
    assert run(tmp_path, pictures, name="none") == 3
    assert "--images" in capsys.readouterr().err


def test_bad_files_are_listed_with_their_reasons(tmp_path, films, capsys):
    assert run(tmp_path, films) == 0
    text = (tmp_path / "data/toy/bad_videos.jsonl").read_text()
    reasons = {
        line["id"]: line["reason"] for line in map(json.loads, text.splitlines())
    }
    assert reasons == {
        "run/gone.mp4": "missing",
        "sit down/cut.mp4": "truncated",
        "sit down/text.avi": "undecodable",
    }
    table = capsys.readouterr().out
    for reason in reasons.values():
        assert f"{reason:16}       1" in table


def test_lists_give_the_splits_and_the_class_numbers(tmp_path, films):
    (tmp_path / "train.txt").write_text("sit down/0.mp4 1\n-jump/ü b.mp4 0\n", "utf-8")
    (tmp_path / "val.txt").write_text("-jump/c.mp4 0\n")
    lists = ["--list", str(tmp_path / "train.txt")]
    lists += ["--val-list", str(tmp_path / "val.txt")]
    assert run(tmp_path, films, *lists, "--num-shards", "2") == 0
    train = catalog.open_split(tmp_path / "data", "toy", "train")
    assert dict(zip(train.ids, train.labels.tolist(), strict=True)) == {
        "sit down/0.mp4": 1,
        "-jump/ü b.mp4": 0,
    }
    assert catalog.open_split(tmp_path / "data", "toy", "val").ids == ("-jump/c.mp4",)
    assert len(list((tmp_path / "data/toy").glob("videos-*-of-00002.tfrecord"))) == 2


def test_existing_data_set_is_replaced_only_with_overwrite(tmp_path, films, capsys):
    assert run(tmp_path, films) == 0
    before = (tmp_path / "data/toy/dataset.json").read_text()
    assert run(tmp_path, films, "--holdout", "0") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "data/toy/dataset.json").read_text() == before
    assert run(tmp_path, films, "--holdout", "0", "--overwrite") == 0
    assert not (tmp_path / "data/toy/splits/val.txt").exists()
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["toy"]


def test_folder_that_is_no_data_set_is_never_removed(tmp_path, films, capsys):
    (tmp_path / "data/toy").mkdir(parents=True)
    (tmp_path / "data/toy/thesis.tex").touch()
    assert run(tmp_path, films, "--overwrite") == 2
    assert "is no data set" in capsys.readouterr().err
    assert (tmp_path / "data/toy/thesis.tex").exists()


KILLED_AT_THE_SECOND_SHARD = """
import os, signal, sys
from data_prep import build_records
from smad_jax.data import records

close, closed = records.ShardWriter.close, []

def kill(writer):
    closed.append(writer)
    if len(closed) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    close(writer)

records.ShardWriter.close = kill
build_records.main(sys.argv[1:])
"""


def test_killed_build_resumes_and_ends_in_the_same_bytes(
    tmp_path, films, capsys, monkeypatch
):
    assert run(tmp_path, films, "--num-shards", "3", name="whole") == 0
    arguments = ["--videos", str(films), "--name", "toy"]
    arguments += ["--out", str(tmp_path / "data"), "--num-shards", "3"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_AT_THE_SECOND_SHARD, *arguments], check=False
    )
    assert killed.returncode == -9
    assert not (tmp_path / "data/toy").exists()
    capsys.readouterr()
    read = []
    check = video_files.check
    monkeypatch.setattr(
        video_files,
        "check",
        lambda root, id, *more: read.append(id) or check(root, id, *more),
    )
    assert build_records.main(arguments) == 0
    assert len(read) == 8  # the four files of the first shard are done
    assert "4 of 12 videos" in capsys.readouterr().err
    whole = sorted(path.name for path in (tmp_path / "data/whole").iterdir())
    assert sorted(path.name for path in (tmp_path / "data/toy").iterdir()) == whole
    assert len(list((tmp_path / "data/toy").glob("videos-*-of-00003.tfrecord"))) == 3
    for name in whole:
        if "record" in name or name == "bad_videos.jsonl":
            content = (tmp_path / "data/toy" / name).read_bytes()
            assert content == (tmp_path / "data/whole" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "toy",
        "whole",
    ]


def test_changed_options_start_from_the_beginning(tmp_path, films, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(catalog, "write_split", interrupt)
        assert run(tmp_path, films) == 130
    assert "the same command" in capsys.readouterr().err
    assert run(tmp_path, films, "--min-frames", "2") == 0
    assert "resuming" not in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["toy"]


def test_full_disk_is_a_data_error_and_the_next_run_resumes(
    tmp_path, films, monkeypatch, capsys
):
    write = records.ShardWriter.write

    def full(self, id, fields):
        if id == "sit down/2.mp4":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, id, fields)

    with monkeypatch.context() as patched:
        patched.setattr(records.ShardWriter, "write", full)
        assert run(tmp_path, films, "--num-shards", "12") == 3
    error = capsys.readouterr().err
    assert str(tmp_path / "data") in error
    assert not (tmp_path / "data/toy").exists()
    first = min((tmp_path / "data").glob(".toy.partial-*/videos-*.tfrecord"))
    with open(first, "ab") as file:  # damaged since
        file.write(b"more")
    assert run(tmp_path, films, "--num-shards", "12") == 0
    progress = capsys.readouterr().err
    assert first.name in progress
    assert "resuming after" in progress
    assert len(catalog.open_split(tmp_path / "data", "toy", "all")) == 9

    def no_room(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(catalog, "write_dataset_file", no_room)
        assert run(tmp_path, films, name="other") == 3
    assert "after 1 finished shards" in capsys.readouterr().err
    assert run(tmp_path, films, name="other") == 0
    assert "12 of 12 videos" in capsys.readouterr().err


@pytest.mark.parametrize("file_format", record_files.FILE_FORMATS)
def test_device_without_room_is_a_full_disk(file_format):
    writer = record_files.WRITERS[f".{file_format}"]
    with pytest.raises(OSError) as caught:
        file = writer(pathlib.Path("/dev/full"))
        for row in range(40):
            file.append(bytes(1 << 20), row)
        file.finish()
    file.close()
    assert caught.value.errno == errno.ENOSPC


def test_larger_videos_are_made_smaller_once(tmp_path, films):
    (films / "sit down/text.avi").unlink()
    assert run(tmp_path, films, "--short-side", "16") == 0
    split = catalog.open_split(tmp_path / "data", "toy", "all")
    row = split.ids.index("sit down/3.mp4")
    facts = video.probe(split.video(row).video)
    assert (facts.width, facts.height) == (22, 16)  # of 32x24, to an even number
    assert facts.num_frames == split.video(row).num_frames == 4
    assert catalog.read_dataset_file(tmp_path / "data/toy").recipe["short_side"] == 16
    assert run(tmp_path, films, "--short-side", "24", name="same") == 0
    same = catalog.open_split(tmp_path / "data", "same", "all")
    assert same.video(row).video == (films / "sit down/3.mp4").read_bytes()


def test_frames_are_stored_as_jpeg_files(tmp_path, films, capsys):
    (films / "sit down/still.png").write_bytes(
        cv2.imencode(".png", np.zeros((24, 32, 3), np.uint8))[1].tobytes()
    )
    more = ["--store", "jpeg", "--stride", "2", "--quality", "95"]
    assert run(tmp_path, films, *more) == 0
    assert "9 of 12 videos" in capsys.readouterr().out
    recipe = catalog.read_dataset_file(tmp_path / "data/toy").recipe
    assert [recipe[key] for key in ("store", "stride", "quality")] == ["jpeg", 2, 95]
    split = catalog.open_split(tmp_path / "data", "toy", "all")
    for row, id in enumerate(split.ids):
        stored, original = split.video(row), (films / id).read_bytes()
        assert stored.num_frames == video.probe(original).num_frames
        packed = jpeg_frames.unpack(stored.video)
        assert (packed.num_frames, packed.stride) == (stored.num_frames, 2)
        expected = [
            images.encode_jpeg(frame, 95) for frame in list(video.frames(original))[::2]
        ]
        assert [packed.file(k) for k in range(len(packed))] == expected
    first = (tmp_path / "data/toy/videos-00000-of-00001.tfrecord").read_bytes()
    assert run(tmp_path, films, *more, name="again") == 0
    again = tmp_path / "data/again/videos-00000-of-00001.tfrecord"
    assert again.read_bytes() == first


def test_images_stay_images_where_frames_are_stored_as_jpeg_files(tmp_path):
    for name in ("run/a.png", "run/b.png", "sit/c.png", "sit/d.png"):
        (tmp_path / "stills" / name).parent.mkdir(parents=True, exist_ok=True)
        picture = np.full((24, 32, 3), len(name) + ord(name[-5]), np.uint8)
        cv2.imwrite(str(tmp_path / "stills" / name), picture)
    assert run(tmp_path, tmp_path / "stills", "--images", "--store", "jpeg") == 0
    split = catalog.open_split(tmp_path / "data", "toy", "all")
    for row, id in enumerate(split.ids):
        assert split.video(row).video == (tmp_path / "stills" / id).read_bytes()


def test_folders_of_frames_become_one_file_each(tmp_path, capsys):
    root = tmp_path / "frames"
    rng = np.random.default_rng(0)
    # grey, as FFmpeg and OpenCV spread colours over pixels differently
    pictures = rng.integers(0, 256, (5, 24, 32, 1), np.uint8).repeat(3, axis=-1)
    for name in ("run/a b", "run/lacks one", "sit/-c"):
        (root / name).mkdir(parents=True)
        for number, picture in enumerate(pictures, start=1):
            cv2.imwrite(str(root / name / f"img_{number:05}.jpg"), picture)
    (root / "run/lacks one/img_00004.jpg").unlink()
    path = tmp_path / "list.txt"
    path.write_text("run/a b 5 run\nrun/lacks one 5 run\nsit/-c 4 sit\n")
    lists = ["--list", str(path), "--format", "rawframes", "--holdout", "0"]
    assert run(tmp_path, root, *lists) == 0
    assert "missing" in (output := capsys.readouterr().out)
    assert "run/lacks one (frame img_00004.jpg" in output
    split = catalog.open_split(tmp_path / "data", "toy", "all")
    assert split.ids == ("run/a b", "sit/-c")
    stored = [split.video(row) for row in range(2)]
    assert [one.num_frames for one in stored] == [5, 4]
    frames = video.decode(stored[0].video, [4, 1])
    expected = [cv2.imread(str(root / f"run/a b/img_0000{n}.jpg")) for n in (5, 2)]
    error = np.abs(frames.astype(int) - np.stack(expected)[..., ::-1])
    assert error.max() <= 2
    for number in range(1, 6):
        jpeg = (root / f"run/a b/img_{number:05}.jpg").read_bytes()
        assert jpeg in stored[0].video


def test_copies_of_a_video_are_on_one_side_of_the_hold_out(tmp_path, capsys):
    films = tmp_path / "films"
    for label in ("run", "sit"):
        (films / label).mkdir(parents=True)
        for number in range(6):
            content = noise_videos.encode(3, seed=number // 2 + 3 * (label == "run"))
            (films / label / f"{number}.mp4").write_bytes(content)
    assert run(tmp_path, films, "--holdout", "0.3") == 0
    printed = capsys.readouterr().out
    assert "note: 12 videos are copies of each other or clips of one" in printed
    found = catalog.read_copies(tmp_path / "data/toy")
    assert ["run/0.mp4", "run/1.mp4"] in found and len(found) == 6
    train, val = (
        {split.video(row).video for row in range(len(split))}
        for split in (
            catalog.open_split(tmp_path / "data", "toy", name)
            for name in ("train", "val")
        )
    )
    assert len(train) == 4 and len(val) == 2 and not train & val
    lists = []
    for name, lines in (("train", "run/0.mp4 0\nsit/1.mp4 1"), ("val", "run/1.mp4 0")):
        (tmp_path / name).write_text(lines)
        lists.append(str(tmp_path / name))
    options = ["--list", lists[0], "--val-list", lists[1]]
    assert run(tmp_path, films, *options, name="listed") == 0
    assert "1 video is in 'val' and in 'train', as 'run/1.mp4' (there 'run/0.mp4')" in (
        capsys.readouterr().out
    )


def test_accents_in_a_list_may_be_composed_otherwise_than_in_names(tmp_path):
    composed, apart = (unicodedata.normalize(f, "é ü") for f in ("NFC", "NFD"))
    for number, name in enumerate((f"{apart}/a.mp4", f"{apart}/b.mp4", "run/c.mp4")):
        path = tmp_path / "films" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise_videos.encode(3, seed=number))
    text = f"{composed}/a.mp4,x\n{apart}/b.mp4,x\nrun/c.mp4,run\n"
    (tmp_path / "list.csv").write_text(text)
    assert run(tmp_path, tmp_path / "films", "--list", str(tmp_path / "list.csv")) == 0
    split = catalog.open_split(tmp_path / "data", "toy", "all")
    assert split.ids == (f"{apart}/a.mp4", f"{apart}/b.mp4", "run/c.mp4")
    labels = tmp_path / "labels.csv"
    labels.write_text(f"id,weather\n{composed}/a.mp4,sun\nrun/c.mp4,rain\n")
    place = ["--data-root", str(tmp_path / "data"), "--dataset", "toy"]
    flags = [*place, "--aspect", "weather", "--from", str(labels)]
    assert pseudo_label.main(flags) == 0
    split = catalog.open_split(tmp_path / "data", "toy", "all", aspects=("weather",))
    assert split.aspect_mask["weather"].tolist() == [True, False, True]


def test_any_number_of_lists_become_test_sets(tmp_path, films, capsys):
    texts = {
        "train": "sit down/0.mp4 sit\nsit down/1.mp4 sit\nrun/only.mp4 run\n",
        "ood": "sit down/2.mp4 sit\n",
        "night": "sit down/3.mp4 sit\nsit down/1.mp4 sit\n",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_text(text)
    tests = [f"{name}={tmp_path / name}.txt" for name in ("ood", "night")]
    options = ["--list", str(tmp_path / "train.txt"), "--test", tests[0]]
    assert run(tmp_path, films, *options, "--test", tests[1]) == 0
    printed = capsys.readouterr().out
    assert "splits: train 2, val 1, ood 1, night 2, all 5" in printed
    assert "note: 1 video is in 'night' and in" in printed
    sets = (
        "--config.evaluation.sets.ood=toy/ood --config.evaluation.sets.night=toy/night"
    )
    assert sets in printed
    recipe = catalog.read_dataset_file(tmp_path / "data/toy").recipe
    assert recipe["test_night"] == str(tmp_path / "night.txt")
    night = catalog.open_split(tmp_path / "data", "toy", "night")
    assert set(night.ids) == {"sit down/3.mp4", "sit down/1.mp4"}
    for wrong in ("val", "train-easy", "all", "a/b", "", ".a"):
        broken = [*options[:2], f"--test={wrong}={tmp_path / 'ood.txt'}"]
        assert run(tmp_path, films, *broken, "--overwrite") == 2
    assert run(tmp_path, films, *options, "--test", tests[0], "--overwrite") == 2
    assert "names 'ood' twice" in capsys.readouterr().err


def test_three_splits_of_ucf101_are_lists_of_one_data_set(tmp_path, films):
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 -jump\n2 sit down\n")
    for number, tested in enumerate("0123", start=0):
        if number:
            others = [f"sit down/{i}.mp4" for i in "0123" if i != tested]
            text = "".join(f"{id} 2\n" for id in others) + "-jump/-a.mp4 1\n"
            (lists / f"trainlist0{number}.txt").write_text(text)
            (lists / f"testlist0{number}.txt").write_text(f"sit down/{tested}.mp4\n")
    films.joinpath("sit down").rename(films / "sit")
    for path in lists.iterdir():
        path.write_text(path.read_text().replace("sit down", "sit"))
    assert run(tmp_path, films, "--list", str(lists)) == 0
    splits = {
        path.stem: len(path.read_text().splitlines())
        for path in (tmp_path / "data/toy/splits").glob("*.txt")
    }
    assert splits == {
        **{f"train{number}": 4 for number in (1, 2, 3)},
        **{f"val{number}": 1 for number in (1, 2, 3)},
        **{"train": 4, "val": 1, "all": 5},
    }


def test_what_a_killed_build_left_is_removed_by_the_next(tmp_path, films):
    left = tmp_path / "data" / ".toy.partial-999999999"
    left.mkdir(parents=True)
    assert run(tmp_path, films) == 0
    assert not left.exists()


def test_equal_videos_give_equal_bytes_whatever_the_number_of_jobs(tmp_path, films):
    assert run(tmp_path, films, "--jobs", "1", name="one") == 0
    assert run(tmp_path, films, "--jobs", "4", name="four") == 0
    for path in (tmp_path / "data/one").glob("*.tfrecord*"):
        assert path.read_bytes() == (tmp_path / "data/four" / path.name).read_bytes()


def test_frames_too_few_are_a_reason(tmp_path, films):
    # class run keeps its only video, which has 3 frames
    assert run(tmp_path, films, "--min-frames", "3") == 0
    assert run(tmp_path, films, "--min-frames", "4", "--overwrite") == 3


@pytest.mark.parametrize(("check", "num_frames"), [("open", 3), ("none", 0)])
def test_cheaper_checks_store_what_they_know(tmp_path, films, check, num_frames):
    (films / "run/gone.mp4").unlink()
    assert run(tmp_path, films, "--check", check) == 0
    split = catalog.open_split(tmp_path / "data", "toy", "all")
    assert split.video(split.ids.index("run/only.mp4")).num_frames == num_frames


@pytest.mark.parametrize("check", ["open", "none"])
def test_link_to_a_file_that_is_no_video_is_not_stored(tmp_path, films, check):
    secret = tmp_path / "key.txt"
    secret.write_text("secret")
    (tmp_path / "elsewhere.mp4").write_bytes((films / "run/only.mp4").read_bytes())
    (films / "run/linked.mp4").symlink_to(secret)
    (films / "run/video.mp4").symlink_to(tmp_path / "elsewhere.mp4")
    assert run(tmp_path, films, "--check", check) == 0
    ids = catalog.open_split(tmp_path / "data", "toy", "all").ids
    assert "run/video.mp4" in ids and "run/linked.mp4" not in ids


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--list", "/nowhere.txt"], 3, "/nowhere.txt"),
        (["--classes", "/nowhere.txt"], 3, "/nowhere.txt"),
        (["--holdout", "1.5"], 2, "1.5"),
        (["--images", "--list", "x"], 2, "--images"),
        (["--val-list", "x"], 2, "--val-list"),
        (["--test", "ood=x"], 2, "--test needs --list"),
        (["--test", "ood", "--list", "x"], 2, "NAME=LIST, not 'ood'"),
        *(
            (["--name=" + name], 2, "the name")
            for name in ("a/b", "a,b", "a=b", "a:b", ".a", "-a", " ", "a\nb")
        ),
        *(
            (["--name", name], 2, "the name")
            for name in ("embedded-seed0", *data.KNOWN)
        ),
        (["--min-frames", "3", "--check", "none"], 2, "--min-frames"),
        (["--videos", "/nowhere"], 3, "/nowhere"),
        (["--format", "ucf101"], 2, "--format"),
        (["--short-side", "255"], 2, "255"),
        (["--stride", "2"], 2, "--store jpeg"),
        (["--quality", "80"], 2, "--store jpeg"),
        (["--store", "jpeg", "--stride", "0"], 2, "0 and 90"),
        (["--store", "jpeg", "--quality", "101"], 2, "1 and 101"),
        (["--frame-template", "img.jpg"], 2, "'img.jpg'"),
    ],
)
def test_wrong_use_has_a_code_and_a_message(
    tmp_path, films, capsys, more, code, message
):
    assert run(tmp_path, films, *more) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (("run/a.mp4", "sit/a.mp4"), "no videos for validation"),
        (("run/a.mp4", "run/b.mp4"), "one class only"),
    ],
)
def test_data_that_cannot_be_trained_on_are_noted(tmp_path, capsys, names, note):
    for seed, name in enumerate(names):
        (tmp_path / "films" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "films" / name).write_bytes(noise_videos.encode(3, seed))
    assert run(tmp_path, tmp_path / "films") == 0
    output = capsys.readouterr().out
    assert f"note: {note}" in output and "main.py" not in output


def test_missing_arguments_exit_with_2(capsys):
    assert build_records.main(["--name", "x"]) == 2
    assert "--videos" in capsys.readouterr().err


def test_no_readable_video_is_unusable_data(tmp_path, capsys):
    (tmp_path / "films/run").mkdir(parents=True)
    (tmp_path / "films/run/a.mp4").touch()
    assert run(tmp_path, tmp_path / "films") == 3
    assert "none of the 1 videos can be used: truncated 1" in capsys.readouterr().err
    assert list((tmp_path / "data").iterdir()) == []


def test_index_files_can_be_made_again(tmp_path, films, capsys):
    assert run(tmp_path, films) == 0
    index = next((tmp_path / "data/toy").glob("*.index"))
    index.unlink()
    assert build_records.main(["--reindex", str(tmp_path / "data/toy")]) == 0
    assert "9 records" in capsys.readouterr().out
    assert len(records.RecordReader(tmp_path / "data/toy")) == 9


def test_real_videos_become_a_data_set(tmp_path, real_data, capsys):
    labels = {
        "demo.mp4": "arm wrestling",
        "test.avi": "applying makeup",
        "corrupted.mp4": "other",
        "unordered.mov": "other",
        "video_90.mov": "other",
        "h265_video.mp4": "other",
    }
    path = tmp_path / "list.txt"
    path.write_text("".join(f"{name} {label}\n" for name, label in labels.items()))
    videos = real_data / "videos"
    assert run(tmp_path, videos, "--list", str(path)) == 0
    split = catalog.open_split(tmp_path / "data", "toy", "all")
    counts = {id: split.video(row).num_frames for row, id in enumerate(split.ids)}
    assert counts == {
        "demo.mp4": 280,
        "test.avi": 164,
        "unordered.mov": 4,
        "video_90.mov": 3,
        "h265_video.mp4": 10,
    }
    assert "decoding fails after 28 of 50 frames" in capsys.readouterr().out
    kept = run(tmp_path, videos, "--list", str(path), "--keep-truncated", name="all")
    assert kept == 0
    split = catalog.open_split(tmp_path / "data", "all", "all")
    assert split.video(split.ids.index("corrupted.mp4")).num_frames == 28
