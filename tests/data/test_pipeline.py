import dataclasses
import json
import threading
import time

import cv2
import numpy as np
import pytest

from smad_jax import errors
from smad_jax.data import (
    aspect_records,
    bad_videos,
    catalog,
    pipeline,
    records,
    transforms,
    video,
    views,
)
from smad_jax.data.sampling import Sampling
from smad_jax.data.transforms import Transform

V, T, SIZE, Z = 22, 3, 16, 5
SAMPLING = Sampling("clip", T, test_views=2)
TRANSFORM = Transform("random_shift", SIZE, shift=2)
BROKEN = (4, 9)  # of classes 1 and 0


def store(root, contents, num_classes=3, num_frames=6):
    ids = [f"v {row}" for row in range(len(contents))]
    labels = [row % num_classes for row in range(len(contents))]
    folder = root / "toy"
    with records.RecordWriter(folder / "videos", 2) as writer:
        for id, content, label in zip(ids, contents, labels, strict=True):
            writer.write(records.VideoRecord(id, content, label, num_frames))
    catalog.write_split(folder, "train", ids, labels)
    names = [f"class {label}" for label in range(num_classes)]
    catalog.write_dataset_file(folder, name="toy", classes=names, num_videos=len(ids))
    values = np.random.default_rng(0).random((len(ids) - 5, Z))
    aspect_records.write(folder, "scene", ids[5:], values)
    return catalog.open_split(root, "toy", "train", aspects=("scene",))


@pytest.fixture(scope="module")
def contents(tiny_video):
    return [tiny_video(6, 24, 32, seed=row) for row in range(V)]


@pytest.fixture(scope="module")
def split(tmp_path_factory, contents):
    return store(tmp_path_factory.mktemp("whole"), contents)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """The split of as many images, and their pictures by row."""
    pictures = np.random.default_rng(3).integers(0, 256, (V, 20, 28, 3), np.uint8)
    contents = [
        cv2.imencode(".png", picture[..., ::-1])[1].tobytes() for picture in pictures
    ]
    root = tmp_path_factory.mktemp("images")
    return store(root, contents, num_frames=1), pictures


@pytest.fixture(scope="module")
def broken_split(tmp_path_factory, contents):
    damaged = [
        content[:400] if row in BROKEN else content
        for row, content in enumerate(contents)
    ]
    return store(tmp_path_factory.mktemp("broken"), damaged)


def train(split, steps, *, bad=None, **options):
    options = {
        "sampling": SAMPLING,
        "transform": TRANSFORM,
        "batch_size": 4,
        "seed": 7,
        "bad_videos": bad or bad_videos.BadVideos(None, 1.0, num_videos=V),
        **options,
    }
    with pipeline.train_batches(split, **options) as batches:
        return [next(batches) for _ in range(steps)]


def test(split, **options):
    options = {
        "sampling": SAMPLING,
        "transform": TRANSFORM,
        "batch_size": 4,
        "bad_videos": bad_videos.BadVideos(None, 1.0, num_videos=V),
        **options,
    }
    return list(views.test_batches(split, **options))


test.__test__ = False


def assert_equal(left, right):
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        for key in ("video", "label", "index"):
            np.testing.assert_array_equal(one[key], other[key])
        for key in ("aspects", "aspect_mask"):
            np.testing.assert_array_equal(one[key]["scene"], other[key]["scene"])


def test_batch_holds_the_labels_of_the_split(split):
    batch = train(split, 1)[0]
    assert batch["video"].shape == (4, T, SIZE, SIZE, 3)
    assert batch["video"].dtype == np.uint8
    assert batch["label"].dtype == batch["index"].dtype == np.int32
    np.testing.assert_array_equal(batch["label"], split.labels[batch["index"]])
    scene = batch["aspects"]["scene"]
    assert scene.shape == (4, Z)
    assert scene.dtype == np.float32
    np.testing.assert_array_equal(scene, split.aspect_labels["scene"][batch["index"]])
    np.testing.assert_array_equal(batch["aspect_mask"]["scene"], batch["index"] >= 5)


def test_every_epoch_holds_each_video_once_in_a_new_order(split):
    rows = np.concatenate([batch["index"] for batch in train(split, 17)])
    epochs = [rows[start : start + V] for start in (0, V, 2 * V)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(V))
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_seeds_give_other_orders_and_the_same_video_gets_other_crops(split):
    first, second = train(split, 6), train(split, 6, seed=8)
    assert any(
        (a["index"] != b["index"]).any() for a, b in zip(first, second, strict=True)
    )
    crops = {}
    for batch in first + train(split, 6, start_step=11):
        for row, clip in zip(batch["index"], batch["video"], strict=True):
            crops.setdefault(int(row), set()).add(clip.tobytes())
    assert sum(len(found) for found in crops.values()) > 40  # of 48 drawn


@pytest.mark.parametrize(
    "options", [{"num_threads": 0}, {"num_threads": 3}, {"cache_mib": 8}]
)
def test_threads_and_cache_change_nothing(broken_split, options):
    assert_equal(train(broken_split, 14), train(broken_split, 14, **options))


def test_workers_give_the_same_batches_and_count_the_same_bad_videos(broken_split):
    counts = [bad_videos.BadVideos(None, 1.0, num_videos=V) for _ in range(2)]
    expected = train(broken_split, 8, bad=counts[0])
    found = train(
        broken_split, 8, bad=counts[1], num_workers=2, num_threads=1, cache_mib=2
    )
    assert_equal(expected, found)
    assert counts[0].reasons == counts[1].reasons == {"truncated": len(BROKEN)}


def test_resuming_at_a_step_goes_on_as_if_nothing_happened(broken_split):
    assert_equal(train(broken_split, 12)[7:], train(broken_split, 5, start_step=7))


@pytest.mark.parametrize("process_count", [2, 4])
def test_processes_share_the_batches_of_one(broken_split, process_count):
    whole = train(broken_split, 7)
    parts = [
        train(broken_split, 7, process_index=index, process_count=process_count)
        for index in range(process_count)
    ]
    for step, batch in enumerate(whole):
        for key in ("video", "label", "index"):
            joined = np.concatenate([part[step][key] for part in parts])
            np.testing.assert_array_equal(batch[key], joined)


@pytest.mark.parametrize(
    "options",
    [
        {"start_step": 7},
        {"start_step": 7, "num_threads": 0},
        {"start_step": 7, "num_threads": 3},
        {"start_step": 7, "num_workers": 2, "num_threads": 1},
    ],
)
def test_balanced_stream_goes_on_likewise_with_any_threads_and_workers(
    broken_split, options
):
    whole = train(broken_split, 12, class_power=0.5)
    assert_equal(whole[7:], train(broken_split, 5, class_power=0.5, **options))


def test_balanced_stream_is_shared_by_processes(broken_split):
    whole = train(broken_split, 7, class_power=0.5)
    parts = [
        train(broken_split, 7, class_power=0.5, process_index=index, process_count=2)
        for index in range(2)
    ]
    for step, batch in enumerate(whole):
        joined = np.concatenate([part[step]["video"] for part in parts])
        np.testing.assert_array_equal(batch["video"], joined)


def test_balanced_stream_draws_rare_classes_more_often(split):
    # six of class 0 and one of class 1 are left of a split
    rows = [*np.flatnonzero(split.labels == 0)[:6].tolist(), 1]
    few = dataclasses.replace(
        split,
        ids=tuple(split.ids[row] for row in rows),
        labels=split.labels[rows],
        positions=split.positions[rows],
        aspect_labels={"scene": split.aspect_labels["scene"][rows]},
        aspect_mask={"scene": split.aspect_mask["scene"][rows]},
    )
    shares = [
        np.concatenate([b["label"] for b in train(few, 70, class_power=power)]).mean()
        for power in (1.0, 0.0)
    ]
    assert shares[0] == pytest.approx(1 / 7)
    assert shares[1] == pytest.approx(1 / 2, abs=0.09)  # three deviations of 280


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling("clip", T, stride=8),
        Sampling("segments", T),
        Sampling("segments", 1),
    ],
)
def test_image_fills_its_clip_with_one_crop(images, sampling):
    split, pictures = images
    for batch in train(split, 9, sampling=sampling):
        assert batch["video"].shape[:2] == (4, sampling.num_frames)
        for row, clip in zip(batch["index"], batch["video"], strict=True):
            np.testing.assert_array_equal(clip, clip[:1].repeat(len(clip), axis=0))
            assert any((clip[0] == part).all() for part in shifted_parts(pictures[row]))


def shifted_parts(picture):
    """Everything that resizing, moving by up to two pixels and a flip can give."""
    small = transforms.centre_crop(
        transforms.resize_short_side(picture[None], SIZE), SIZE
    )
    for down in range(-2, 3):
        for right in range(-2, 3):
            rows = np.clip(np.arange(SIZE) - down, 0, SIZE - 1)
            columns = np.clip(np.arange(SIZE) - right, 0, SIZE - 1)
            part = small[0][rows][:, columns]
            yield from (part, part[:, ::-1])


def test_image_is_worked_on_once_for_all_its_frames(images, monkeypatch):
    seen = []
    crop = transforms.Transform.train

    def count(self, clip, rng):
        seen.append(len(clip))
        return crop(self, clip, rng)

    monkeypatch.setattr(transforms.Transform, "train", count)
    train(images[0], 2, sampling=Sampling("clip", 8, stride=8))
    assert set(seen) == {1}


def test_short_video_that_repeats_gives_the_clip_of_its_frames(split):
    # 6 frames, of which 0 2 4 come again and again, whatever was decoded only once
    sampling = Sampling("clip", 7, stride=2)
    batch = train(split, 1, sampling=sampling)[0]
    assert not (batch["video"][:, 0] == batch["video"][:, 1]).all()
    for frame in range(4):
        np.testing.assert_array_equal(
            batch["video"][:, frame], batch["video"][:, frame + 3]
        )


def test_bad_video_is_replaced_by_one_of_its_class_and_written_down(
    broken_split, tmp_path
):
    bad = bad_videos.BadVideos(tmp_path / "run" / "bad.jsonl", 0.5, num_videos=V)
    batches = train(broken_split, 12, bad=bad)
    rows = np.concatenate([batch["index"] for batch in batches])
    assert not set(BROKEN) & set(rows.tolist())
    classes = np.bincount(broken_split.labels[rows[:V]])
    np.testing.assert_array_equal(classes, np.bincount(broken_split.labels))
    text = (tmp_path / "run" / "bad.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert sorted(line["id"] for line in lines) == ["v 4", "v 9"]
    for line in lines:
        assert line["reason"] == "truncated"
        assert "cannot be opened" in line["detail"]
        assert int(line["replacement"][2:]) % 3 == int(line["id"][2:]) % 3
    assert bad.count == 2


def test_too_many_bad_videos_stop_the_run_with_the_reason(broken_split):
    bad = bad_videos.BadVideos(None, 0.01, num_videos=V)
    with pytest.raises(errors.DataError, match=r"2 of 22 .* truncated \(truncated 2\)"):
        train(broken_split, 12, bad=bad)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_class_without_readable_videos_is_a_data_error(tmp_path, contents, num_workers):
    damaged = [c[:400] if row % 3 == 1 else c for row, c in enumerate(contents[:9])]
    split = store(tmp_path, damaged)
    bad = bad_videos.BadVideos(None, 1.0, num_videos=9)
    with pytest.raises(
        errors.DataError, match=r"any of the 2 videos of class 'class 1'"
    ):
        train(split, 9, bad=bad, num_workers=num_workers)


def test_damaged_record_is_a_bad_video(tmp_path, contents):
    split = store(tmp_path, contents)
    path = tmp_path / "toy" / "videos-00000-of-00002.tfrecord"
    data = bytearray(path.read_bytes())
    data[-50] ^= 1
    path.write_bytes(data)
    bad = bad_videos.BadVideos(None, 1.0, num_videos=V)
    train(split, 6, bad=bad)
    assert bad.reasons == {"undecodable": 1}


def test_frames_are_counted_where_the_records_have_no_count(tmp_path, contents):
    folder = tmp_path / "toy"
    with records.RecordWriter(folder / "videos", 1) as writer:
        writer.write(records.VideoRecord("a", contents[0], 0, 0))
    catalog.write_split(folder, "train", ["a"], [0])
    catalog.write_dataset_file(folder, name="toy", classes=["x"], num_videos=1)
    split = catalog.open_split(tmp_path, "toy", "train")
    sampling = Sampling("clip", 5, stride=2)
    # as large as the stored frames' short side, so that only the centre is cut out
    transform = dataclasses.replace(TRANSFORM, size=24)
    batch = test(split, batch_size=1, sampling=sampling, transform=transform)[0]
    indices = np.array([0, 2, 4, 0, 2])  # 6 frames, wrapped
    frames = video.decode(contents[0], indices)
    np.testing.assert_array_equal(batch["video"][0, 0], frames[:, :, 4:28])


def test_closing_leaves_no_thread(split):
    before = set(threading.enumerate())
    train(split, 3, num_threads=3)
    test(split, num_threads=3)  # exhausted, so it closes itself
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not set(threading.enumerate()) - before


def test_test_batches_hold_every_video_once_and_pad_the_last(split):
    batches = test(split)
    assert [batch["video"].shape for batch in batches] == [(4, 2, T, SIZE, SIZE, 3)] * 6
    mask = np.concatenate([batch["mask"] for batch in batches])
    rows = np.concatenate([batch["index"] for batch in batches])
    labels = np.concatenate([batch["label"] for batch in batches])
    assert rows[mask].tolist() == list(range(V))
    np.testing.assert_array_equal(labels[mask], split.labels)
    assert not batches[-1]["video"][~batches[-1]["mask"]].any()
    assert not any(batch["unreadable"].any() for batch in batches)


def test_test_batches_of_two_processes_are_those_of_one(split):
    whole = test(split)
    parts = [test(split, process_index=i, process_count=2) for i in range(2)]
    for step, batch in enumerate(whole):
        for key in batch:
            joined = np.concatenate([part[step][key] for part in parts])
            np.testing.assert_array_equal(batch[key], joined)


def test_test_clip_is_the_central_crop_of_the_decoded_frames(split):
    clip = test(split)[1]["video"][2]  # row 6
    frames = video.decode(split.video(6).video, [0, 1, 2, 3, 4, 5])
    assert frames.shape == (6, 24, 32, 3)
    resized = test(split, transform=dataclasses.replace(TRANSFORM, resize=24))[1][
        "video"
    ][2]
    # places 0..3 in two parts of two: starts 1 and 3
    np.testing.assert_array_equal(resized[0], frames[1:4, 4:20, 8:24])
    np.testing.assert_array_equal(resized[1], frames[3:6, 4:20, 8:24])
    assert clip.shape == resized.shape


def test_segments_go_through_at_test_as_one_view(split):
    sampling = Sampling("segments", 3, test_views=7)
    batch = test(split, sampling=sampling)[0]
    assert batch["video"].shape == (4, 1, 7, SIZE, SIZE, 3)


def test_longer_videos_have_more_clips_one_video_a_batch(tmp_path, tiny_video):
    lengths = [3, 7, 2, 9, 6]
    contents = [tiny_video(n, 24, 32, seed=n) for n in lengths]
    split = store(tmp_path, contents, num_frames=0)
    sampling = dataclasses.replace(SAMPLING, test_views=0)
    found = test(split, sampling=sampling)
    shapes = [batch["video"].shape[:3] for batch in found]
    assert shapes == [(1, 1, T), (1, 3, T), (1, 1, T), (1, 3, T), (1, 2, T)]
    whole = test(
        split, sampling=sampling, transform=dataclasses.replace(TRANSFORM, size=24)
    )[1]
    frames = video.decode(contents[1], np.arange(7))[:, :, 4:28]
    np.testing.assert_array_equal(
        whole["video"][0, :2], frames[:6].reshape(2, T, 24, 24, 3)
    )
    np.testing.assert_array_equal(whole["video"][0, 2], frames[[6, 6, 6]])
    parts = [
        test(split, sampling=sampling, process_index=i, process_count=2) for i in (0, 1)
    ]
    assert [len(part) for part in parts] == [3, 3]
    assert [not part[-1]["mask"].any() for part in parts] == [False, True]
    for row, batch in enumerate(found):
        theirs = parts[row % 2][row // 2]
        np.testing.assert_array_equal(theirs["video"], batch["video"])


@pytest.mark.parametrize("num_videos", [1, 4, 5, 6, 11, 22])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_batches_know_how_many_videos_are_this_process(split, num_videos, count):
    few = dataclasses.replace(
        split,
        ids=split.ids[:num_videos],
        labels=split.labels[:num_videos],
        positions=split.positions[:num_videos],
        aspect_labels={},
        aspect_mask={},
        aspects={},
    )
    for index in range(count):
        batches = views.test_batches(
            few,
            sampling=SAMPLING,
            transform=TRANSFORM,
            batch_size=4,
            bad_videos=bad_videos.BadVideos(None, 1.0, num_videos=V),
            process_index=index,
            process_count=count,
        )
        assert batches.num_videos == sum(int(b["mask"].sum()) for b in batches)


def test_unreadable_test_video_stays_with_zero_pixels(broken_split):
    bad = bad_videos.BadVideos(None, 1.0, num_videos=V)
    batches = test(broken_split, bad_videos=bad)
    rows = np.concatenate([batch["index"][batch["unreadable"]] for batch in batches])
    assert rows.tolist() == list(BROKEN)
    for batch in batches:
        assert batch["mask"][batch["unreadable"]].all()
        assert not batch["video"][batch["unreadable"]].any()
    assert bad.reasons == {"truncated": 2}


def test_real_videos_go_through_the_papers_pipeline(tmp_path, real_data):
    names = ["video_90.mov", "carphone_pristine.mp4", "h265_video.mp4"]
    contents = [(real_data / "videos" / name).read_bytes() for name in names]
    split = store_real(tmp_path, names, contents)
    sampling = Sampling("clip", 8, stride=8)
    transform = Transform("random_resized_crop", 64, resize=80)
    batch = train(split, 1, batch_size=3, sampling=sampling, transform=transform)[0]
    assert batch["video"].shape == (3, 8, 64, 64, 3)
    tested = test(split, batch_size=3, sampling=sampling, transform=transform)[0]
    assert tested["video"].shape == (3, 1, 8, 64, 64, 3)
    assert not tested["unreadable"].any()


def store_real(root, names, contents):
    with records.RecordWriter(root / "real" / "videos", 1) as writer:
        for name, content in zip(names, contents, strict=True):
            count = video.probe(content).num_frames
            writer.write(records.VideoRecord(name, content, 0, count))
    catalog.write_split(root / "real", "train", names, [0] * len(names))
    catalog.write_dataset_file(
        root / "real", name="real", classes=["x"], num_videos=len(names)
    )
    return catalog.open_split(root, "real", "train")


@pytest.mark.parametrize("batch_size", [0, 5])
def test_batch_must_divide_by_the_processes(split, batch_size):
    with pytest.raises(errors.ConfigError, match="multiple of the 2 processes"):
        train(split, 1, batch_size=batch_size, process_count=2)
