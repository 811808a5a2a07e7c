import contextlib

import numpy as np
import pytest

from smad_jax.data import (
    bad_videos,
    catalog,
    frame_reader,
    images,
    jpeg_frames,
    pipeline,
    records,
    transforms,
    video,
)
from smad_jax.data.sampling import Sampling
from smad_jax.data.transforms import Transform


def test_small_memory_keeps_only_the_videos_that_fit():
    one = 6 * 24 * 32 * 3
    cache = frame_reader.FrameCache(2 * one + 5)
    for row in range(3):
        cache.put(row, np.zeros((6, 24, 32, 3), np.uint8))
    assert [cache.get(row) is not None for row in range(3)] == [True, True, False]


def a_split(root, contents, num_frames):
    ids = [f"v{row}" for row in range(len(contents))]
    with records.RecordWriter(root / "toy" / "videos", 1) as writer:
        for id, content in zip(ids, contents, strict=True):
            writer.write(records.VideoRecord(id, content, 0, num_frames))
    catalog.write_split(root / "toy", "train", ids, [0] * len(ids))
    catalog.write_dataset_file(
        root / "toy", name="toy", classes=["walk"], num_videos=len(ids)
    )
    return catalog.open_split(root, "toy", "train")


def darkened(frames, numbers, id):
    """Paints a block of the stored picture, by the frame's number."""
    out = frames.copy()
    out[:, 8:40, 4:60] = (numbers % 7)[:, None, None, None]
    return out


# decoded whole for the cache at once, or beside the clip
@pytest.mark.parametrize("num_frames", [5, 40])
@pytest.mark.parametrize("paint", [None, darkened])
@pytest.mark.parametrize("kind", ["random_shift", "random_resized_crop"])
def test_batches_from_resized_frames_in_the_cache_are_the_same_bytes(
    num_frames, paint, kind, tmp_path, tiny_video
):
    V, B = 4, 2
    height, width = 48, 64  # of the videos; the cache holds frames of 20 x 27
    contents = [tiny_video(num_frames, height, width, seed=n) for n in range(V)]
    split = a_split(tmp_path, contents, num_frames)
    transform = Transform(kind, 16, resize=20, shift=2)

    def batches(cache_mib):
        bad = bad_videos.BadVideos(None, 0.0, num_videos=V)
        stream = pipeline.train_batches(
            split,
            sampling=Sampling("clip", 3),
            transform=transform,
            batch_size=B,
            seed=0,
            bad_videos=bad,
            cache_mib=cache_mib,
            num_threads=0,
            paint=paint,
        )
        with contextlib.closing(stream):
            return [next(stream)["video"] for _ in range(3 * V // B)]

    np.testing.assert_array_equal(batches(cache_mib=8), batches(cache_mib=0))


def as_jpeg_files(content, stride):
    frames = list(video.frames(content))
    files = [images.encode_jpeg(frame, 95) for frame in frames[::stride]]
    return jpeg_frames.pack(files, len(frames), stride)


def test_streams_of_stored_jpeg_files_depend_on_no_worker_thread_or_stop(
    tmp_path, tiny_video
):
    V, B, num_frames = 4, 2, 40
    contents = [
        as_jpeg_files(tiny_video(num_frames, 48, 64, seed=n), 2) for n in range(V)
    ]
    contents[1] = contents[1][:-40]  # replaced by another
    split = a_split(tmp_path, contents, num_frames)

    def batches(count, **more):
        bad = bad_videos.BadVideos(None, 0.5, num_videos=V)
        stream = pipeline.train_batches(
            split,
            sampling=Sampling("clip", 3, stride=4),
            transform=Transform("random_resized_crop", 16, resize=20),
            batch_size=B,
            seed=0,
            bad_videos=bad,
            **more,
        )
        with contextlib.closing(stream):
            return [next(stream)["video"] for _ in range(count)]

    plain = batches(6, num_threads=0)
    assert len({batch.tobytes() for batch in plain}) == 6
    np.testing.assert_array_equal(batches(6, num_threads=1, num_workers=2), plain)
    np.testing.assert_array_equal(batches(2, num_threads=2, start_step=4), plain[4:])
    np.testing.assert_array_equal(batches(6, num_threads=0, cache_mib=8), plain)


def test_stored_jpeg_files_are_decoded_no_larger_than_they_are_used(
    tmp_path, tiny_video
):
    content = as_jpeg_files(tiny_video(40, 48, 64), 1)
    split = a_split(tmp_path, [content], 40)
    for side, shape in ((0, (48, 64)), (24, (24, 32)), (25, (48, 64))):
        reader = frame_reader.Reader(split, frame_reader.FrameCache(0), side)
        frames = reader.frames(0, reader.open(0), np.array([1, 33]))
        assert frames.shape == (2, *shape, 3)


def test_clip_of_stored_jpeg_files_reads_its_own_alone(
    tmp_path, tiny_video, monkeypatch
):
    content = as_jpeg_files(tiny_video(40, 48, 64), 1)
    split = a_split(tmp_path, [content], 40)
    reader = frame_reader.Reader(split, frame_reader.FrameCache(0))
    numbers = np.array([33, 1])
    expected = reader.frames(0, split.video(0), numbers)
    monkeypatch.setattr(records.RecordReader, "video", None)
    np.testing.assert_array_equal(reader.frames(0, reader.open(0), numbers), expected)


@pytest.mark.parametrize("num_frames", [5, 40])
def test_cache_holds_frames_as_small_as_they_are_used(num_frames, tmp_path, tiny_video):
    split = a_split(tmp_path, [tiny_video(num_frames, 48, 64)], num_frames)
    cache = frame_reader.FrameCache(num_frames * 20 * 27 * 3)
    reader = frame_reader.Reader(split, cache, 20)
    whole = frame_reader.Reader(split, frame_reader.FrameCache(0)).frames(
        0, split.video(0), np.arange(num_frames)
    )
    reader.frames(0, reader.open(0), np.array([1, 3]))
    held = cache.get(0)
    assert held is not None
    np.testing.assert_array_equal(held, transforms.resize_short_side(whole, 20))
