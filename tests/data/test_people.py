import json

import numpy as np
import pytest

from smad_jax import errors
from smad_jax.data import people
from smad_jax.data.embedded import benchmark

T, H, W = 3, 8, 12
FACES = [2.0, 1.0, 5.0, 4.0]


def boxes(frames, tmp_path, kind="json"):
    """The boxes of one video, by way of a file."""
    path = tmp_path / f"people.{kind}"
    if kind == "json":
        path.write_text(json.dumps({"a/b c": frames}), "utf-8")
    else:
        array = np.zeros((len(frames), max(map(len, frames)), 5))
        for frame, rows in zip(array, frames, strict=True):
            frame[: len(rows)] = np.reshape(rows, (-1, 5))
        np.savez(path, **{"a/b c": array})
    return people.read_boxes(path)["a/b c"]


def a_clip():
    return np.random.default_rng(0).integers(0, 256, (T, H, W, 3), np.uint8)


@pytest.mark.parametrize("kind", ["json", "npz"])
def test_boxes_fill_with_the_mean_of_their_own_frame(tmp_path, kind):
    frames = a_clip()
    # the clip shows frames 4, 1 and 0 of the video
    listed = [[[*FACES, 0.9]], [], [], [], [[*FACES, 0.31], [9, 6, 12, 8, 1.0]]]
    found = people.paint_boxes(
        frames, np.array([4, 1, 0]), boxes(listed, tmp_path, kind)
    )
    want = frames.copy()
    means = np.rint(frames.reshape(T, -1, 3).mean(axis=1))
    want[0, 1:4, 2:5] = want[0, 6:8, 9:12] = means[0]
    want[2, 1:4, 2:5] = means[2]
    np.testing.assert_array_equal(found, want)
    assert (found != frames).any()


def test_frame_of_one_colour_stays_and_half_black_half_white_turns_grey(tmp_path):
    plain = np.full((1, H, W, 3), (17, 200, 3), np.uint8)
    whole = boxes([[[0, 0, W, H, 0.9]]], tmp_path)
    np.testing.assert_array_equal(
        people.paint_boxes(plain, np.array([0]), whole), plain
    )
    plain[:] = 0
    plain[:, :, W // 2 :] = 255
    grey = np.unique(people.paint_boxes(plain, np.array([0]), whole))
    assert grey.tolist() in ([127], [128])


@pytest.mark.parametrize(
    ("box", "painted"),
    [
        ([-3, -2, 2, 3, 0.9], 2 * 3),  # partly outside
        ([10, 5, 99, 99, 0.9], 2 * 3),
        ([-9, -9, -1, -1, 0.9], 0),
        ([0, 0, 2, 3, 0.3], 2 * 3),  # exactly the least score
        ([0, 0, 2, 3, 0.2999], 0),
        ([4, 2, 4, 6, 0.9], 0),  # no area
        ([1.5, 2.5, 2.5, 3.5, 0.9], 2 * 2),  # what it touches
    ],
)
def test_what_a_box_paints(tmp_path, box, painted):
    frames = np.zeros((1, H, W, 3), np.uint8)
    frames[:, ::2, ::2] = 255
    frames[:, 1::2, 1::2] = 254  # no pixel has the colour of the mean
    frames[:, :, ::3] |= 1
    found = people.paint_boxes(frames, np.array([0]), boxes([[box]], tmp_path))
    assert (found != frames).any(axis=-1).sum() == painted


def test_box_of_a_larger_size_of_the_video_is_refused(tmp_path):
    listed = boxes([[[2 * W, 0, 3 * W, 2, 0.9]]], tmp_path)
    with pytest.raises(errors.DataError, match=r"is outside its frame of .* stored"):
        people.paint_boxes(np.zeros((1, H, W, 3), np.uint8), np.array([0]), listed)


def test_video_without_a_box_stays_as_it_is(tmp_path):
    frames = a_clip()
    for listed in ([], [[], [], []]):
        found = boxes(listed, tmp_path)
        assert found.share == 0
        painted = people.paint_boxes(frames, np.arange(T), found)
        np.testing.assert_array_equal(painted, frames)


def test_share_counts_frames_with_a_box_above_the_least_score(tmp_path):
    sure, edge = [*FACES, 0.31], [*FACES, 0.3]
    assert boxes([[sure]] * 7 + [[edge], [], [edge]], tmp_path).share == 0.7
    assert boxes([[sure, sure, edge]] + [[]] * 3, tmp_path).share == 0.25


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", "{"),
        ("a.json", "[1, 2]"),
        ("a.json", '{"v": [[[1, 2, 3]]]}'),
        ("a.json", '{"v": [[[5, 2, 3, 4, 0.9]]]}'),
        ("a.json", '{"v": [[[1, 2, 3, 4, NaN]]]}'),
        ("a.json", '{"v": [[[1, 2, 1e30, 4, 0.9]]]}'),
        ("a.json", '{"v": [[1, 2, 3, 4, 0.9]]}'),  # no list of boxes in a frame
        ("a.npz", "no archive"),
        ("a.npz", ""),
    ],
)
def test_file_of_something_else_is_refused(tmp_path, name, content):
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(errors.DataError, match="x1, y1, x2, y2, score"):
        people.read_boxes(tmp_path / name)


@pytest.mark.parametrize("name", ["none.json", "folder.npz", "boxes.txt"])
def test_missing_file_is_refused_with_what_to_do(tmp_path, name):
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "boxes.txt").touch()
    with pytest.raises(errors.DataError, match=r"no file of boxes.*person detector"):
        people.read_boxes(tmp_path / name)


def test_guess_covers_what_moves_and_leaves_what_does_not():
    size, frames = 7, np.zeros((4, 40, 60, 3), np.uint8)
    frames[:] = np.random.default_rng(1).integers(40, 120, (40, 60, 3))
    actor = np.zeros(frames.shape[:-1], bool)
    for t in range(4):
        actor[t, 14 : 14 + 2 * size, 14 + 6 * t : 14 + 6 * t + size] = True
    frames[actor] = (230, 30, 200)
    found = people.guess_people(frames)
    assert found.shape == (4, 40, 60)
    assert found[actor].mean() > 0.9
    assert found[~actor].mean() < 0.3
    for t in range(4):
        # it is where the actor is now, not where it was or will be
        assert found[t][actor[t]].mean() > 2 * found[t][~actor[t]].mean()


def test_guess_finds_the_actors_of_the_embedded_benchmark():
    factors = benchmark.draw_factors(40, seed=1001, stream=0, bias=benchmark.Bias())
    clips = benchmark.render(factors, seed=1001, stream=0)
    found = np.stack([people.guess_people(clip) for clip in clips.video])
    assert found[clips.actor].mean() > 0.8
    assert found[~clips.actor].mean() < 0.2


def test_guess_on_an_image_takes_the_colours_that_the_edge_lacks():
    picture = np.full((1, 30, 30, 3), 90, np.uint8)
    picture[0, 10:20, 12:18] = (250, 10, 10)
    found = people.guess_people(picture)[0]
    assert found[11:19, 13:17].all()
    assert not found[:6].any()


def test_video_is_painted_by_its_boxes_or_by_guess(tmp_path):
    frames = a_clip()
    path = tmp_path / "people.json"
    path.write_text(json.dumps({"known": [[[*FACES, 0.9]]] * T}), "utf-8")
    painter = people.Painter(people.read_boxes(path))
    numbers = np.arange(T)
    np.testing.assert_array_equal(
        painter(frames, numbers, "known"),
        people.paint_boxes(frames, numbers, boxes([[[*FACES, 0.9]]] * T, tmp_path)),
    )
    np.testing.assert_array_equal(
        painter(frames, numbers, "other"),
        people.paint(frames, people.guess_people(frames)),
    )
