import json
import pickle

import numpy as np
import pytest

from smad_jax import errors
from smad_jax.data import (
    bad_videos,
    catalog,
    images,
    jpeg_frames,
    masking,
    people,
    pipeline,
    records,
    video,
)
from smad_jax.data.sampling import Sampling
from smad_jax.data.transforms import Transform

V, T, SIZE = 5, 4, 16
SURE = [4.0, 2.0, 20.0, 30.0, 0.9]
# parts of the ten frames that have a box: v0 0.6, v1 0.7, v2 1; v3 and v4 not listed
LISTED = {f"v{row}": [[SURE]] * n + [[]] * (10 - n) for row, n in enumerate((6, 7, 10))}


@pytest.fixture(scope="module")
def split(tmp_path_factory, tiny_video):
    root = tmp_path_factory.mktemp("masked")
    ids = [f"v{row}" for row in range(V)]
    with records.RecordWriter(root / "toy" / "videos") as writer:
        for row, id in enumerate(ids):
            content = tiny_video(10, 32, 48, seed=row)
            writer.write(records.VideoRecord(id, content, 0, 10))
    catalog.write_split(root / "toy", "train", ids, [0] * V)
    catalog.write_dataset_file(root / "toy", name="toy", classes=["x"], num_videos=V)
    return catalog.open_split(root, "toy", "train")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "people.json"
    path.write_text(json.dumps(LISTED), "utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("without_boxes", "ids", "guessed"),
    [("leave_out", ("v1", "v2"), 0), ("guess", ("v1", "v2", "v3", "v4"), 2)],
)
def test_video_with_boxes_in_seven_frames_of_ten_belongs_to_the_stream(
    split, file, without_boxes, ids, guessed
):
    stream = masking.MaskedStream(boxes=file, without_boxes=without_boxes)
    found = masking.open_masked(split, stream)
    assert found.split.ids == ids
    assert found.num_guessed == guessed


def test_boxes_of_other_videos_are_refused(split, tmp_path):
    path = tmp_path / "others.json"
    path.write_text(json.dumps({"video_0": [[SURE]]}), "utf-8")
    with pytest.raises(errors.DataError, match=r"none of the 5 .*'v0', .*'video_0"):
        masking.open_masked(split, masking.MaskedStream(boxes=str(path)))


def test_without_any_box_there_is_no_stream_or_all_is_guessed(split):
    assert masking.open_masked(
        split, masking.MaskedStream(without_boxes="leave_out")
    ) is (None)
    found = masking.open_masked(split, masking.MaskedStream())
    assert (found.split.ids, found.num_guessed) == (split.ids, V)


def stream_of(split, paint, resize=32):
    with pipeline.train_batches(
        split,
        sampling=Sampling("clip", T),
        transform=Transform("random_shift", SIZE, resize, shift=3),
        batch_size=2,
        seed=3,
        bad_videos=bad_videos.BadVideos(None, 1.0, num_videos=V),
        cache_mib=1,
        paint=paint,
    ) as batches:
        return [next(batches) for _ in range(4)]


def test_people_are_painted_out_before_the_crop_and_nothing_else_changes(split, file):
    found = masking.open_masked(
        split, masking.MaskedStream(boxes=file, without_boxes="leave_out")
    )
    seen = []

    def paint(frames, numbers, id):
        assert frames.shape[1:] == (32, 48, 3), "as stored"
        painted = found.paint(frames, numbers, id)
        assert (painted[:, 2:30, 4:20] == painted[:, 2:3, 4:5]).all()
        assert (painted != frames).any(), "the cache keeps the people"
        np.testing.assert_array_equal(painted[:, :, 20:], frames[:, :, 20:])
        seen.append((id, numbers.tolist()))
        return painted

    # v2 has a box in every frame
    split = masking.open_masked(
        split,
        masking.MaskedStream(boxes=file, without_boxes="leave_out", min_share=1.0),
    ).split
    assert split.ids == ("v2",)
    clips, plain = stream_of(split, paint), stream_of(split, None)
    assert {id for id, _ in seen} == {"v2"}
    assert len({tuple(numbers) for _, numbers in seen}) > 1
    for one, other in zip(clips, plain, strict=True):
        np.testing.assert_array_equal(one["index"], other["index"])
        same = (one["video"] == other["video"]).all(axis=-1)
        assert 0 < same.mean() < 1, "the same crop of painted frames"


def test_boxes_are_those_of_the_frames_that_stored_jpeg_files_show(
    tmp_path, tiny_video
):
    stride, num_frames = 3, 40
    films = [list(video.frames(tiny_video(num_frames, seed=n))) for n in range(2)]
    with records.RecordWriter(tmp_path / "toy" / "videos") as writer:
        for number, frames in enumerate(films):
            files = [images.encode_jpeg(frame, 95) for frame in frames[::stride]]
            content = jpeg_frames.pack(files, num_frames, stride)
            record = records.VideoRecord(f"v{number}", content, 0, num_frames)
            writer.write(record)
    catalog.write_split(tmp_path / "toy", "train", ["v0", "v1"], [0, 0])
    catalog.write_dataset_file(
        tmp_path / "toy", name="toy", classes=["x"], num_videos=2
    )
    split = catalog.open_split(tmp_path, "toy", "train")
    seen = []

    def paint(frames, numbers, id):
        expected = split.video(int(id[1])).video
        np.testing.assert_array_equal(frames, video.decode(expected, numbers))
        seen.append((id, tuple(numbers.tolist())))
        return frames

    stream_of(split, paint)  # from the records, then from the cache
    assert len(seen) > len({id for id, _ in seen})
    shown = [number for _, numbers in seen for number in numbers]
    assert len(set(shown)) > T and all(number % stride == 0 for number in shown)


def test_painter_of_a_stream_can_be_sent_to_worker_processes(split, file):
    found = masking.open_masked(split, masking.MaskedStream(boxes=file))
    sent = pickle.loads(pickle.dumps(found.paint))
    frames = np.random.default_rng(0).integers(0, 256, (2, 32, 48, 3), np.uint8)
    for id in ("v2", "v4"):
        np.testing.assert_array_equal(
            sent(frames, np.array([0, 9]), id),
            found.paint(frames, np.array([0, 9]), id),
        )
    assert isinstance(sent, people.Painter)
