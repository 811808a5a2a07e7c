import numpy as np
import pytest

from smad_jax import errors
from smad_jax.base import sections
from smad_jax.data import sampling
from tests.golden import make_sampling as golden


def rng():
    return np.random.default_rng(0)


def read(section):
    return sections.read(sampling.Sampling, "data.sampling", section)


@pytest.fixture(scope="module")
def reference():
    with np.load(golden.FILE) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("line", golden.LINES)
@pytest.mark.parametrize("name", golden.SAMPLINGS)
def test_frames_at_test_are_the_references_for_1_to_400_frames(reference, name, line):
    section = golden.SAMPLINGS[name] | {"test_rule": f"mmaction2-{line}"}
    chosen = read(section)
    expected = reference[f"{line}/{name}/test"]
    assert len(expected) == len(golden.LENGTHS) == 400
    np.testing.assert_array_equal(
        [chosen.test(num_frames) for num_frames in golden.LENGTHS],
        expected.reshape(-1, *chosen.test_shape()),
    )


# The bounds of the draw are the distribution; the draws show what is made of it.
@pytest.mark.parametrize("draw", golden.TRAIN_FRACTIONS)
@pytest.mark.parametrize("line", golden.LINES)
@pytest.mark.parametrize("name", golden.SAMPLINGS)
def test_frames_at_training_are_the_references_for_any_draw(
    reference, name, line, draw
):
    chosen = read(golden.SAMPLINGS[name])
    frames, asked = [], []
    for num_frames in golden.LENGTHS:
        draws = golden.Draws(golden.TRAIN_FRACTIONS[draw])
        frames.append(chosen.train(num_frames, draws))
        asked += draws.asked or [(0, 0, 0)]
    np.testing.assert_array_equal(asked, reference[f"{line}/{name}/train/asked"])
    np.testing.assert_array_equal(frames, reference[f"{line}/{name}/train/{draw}"])


def test_the_older_rule_is_the_default(reference):
    section = golden.SAMPLINGS["clip 8x8"]
    chosen = read(section)
    assert chosen == sampling.Sampling(**section)
    clips = chosen.test(300)
    np.testing.assert_array_equal(
        clips.ravel(), reference["0.x/clip 8x8/test"][299].ravel()
    )


def test_newer_rule_puts_the_first_clip_first_and_the_last_clip_last():
    shape = {"clip_length": 8, "stride": 8, "rule": "mmaction2-1.x"}
    clips = sampling.test_clips(300, num_clips=10, **shape)
    assert clips[:, 0].tolist() == [0, 27, 54, 81, 108, 135, 162, 189, 216, 243]
    assert clips[-1, -1] == 299
    assert sampling.test_clips(300, num_clips=1, **shape)[0, 0] == 243 // 2


def test_unknown_rule_is_refused():
    with pytest.raises(ValueError, match=r"'0\.x'; known: mmaction2-0\.x, mma"):
        sampling.test_clips(9, clip_length=2, stride=1, num_clips=3, rule="0.x")


def test_ten_clips_of_300_frames_start_where_the_reference_starts_them():
    clips = sampling.test_clips(300, clip_length=8, stride=8, num_clips=10)
    starts = [11, 35, 59, 82, 106, 130, 154, 177, 201, 225]
    assert clips[:, 0].tolist() == starts
    assert clips[3].tolist() == list(range(82, 82 + 64, 8))


def test_ten_clips_of_100_frames_start_where_the_reference_starts_them():
    clips = sampling.test_clips(100, clip_length=8, stride=8, num_clips=10)
    assert clips[:, 0].tolist() == [1, 5, 9, 12, 16, 20, 24, 27, 31, 35]


def test_25_frames_of_300_are_the_middles_of_their_parts():
    assert sampling.test_frames(300, count=25).tolist() == list(range(6, 300, 12))


@pytest.mark.parametrize("part", ["train", "test"])
def test_short_video_repeats(part):
    expected = [0, 8, 16, 24, 2, 10, 18, 26]
    if part == "train":
        clip = sampling.train_clip(30, clip_length=8, stride=8, rng=rng())
        assert clip.tolist() == expected
    else:
        clips = sampling.test_clips(30, clip_length=8, stride=8, num_clips=3)
        assert clips.tolist() == [expected] * 3


def test_segments_of_250_frames_stay_in_their_ranges_and_reach_the_ends():
    source = rng()
    drawn = np.stack(
        [sampling.train_segments(250, num_segments=3, rng=source) for _ in range(3000)]
    )
    assert drawn.min(axis=0).tolist() == [0, 83, 166]
    assert drawn.max(axis=0).tolist() == [82, 165, 248]


def test_clip_start_is_uniform_over_all_places():
    source = rng()
    starts = [
        sampling.train_clip(68, clip_length=8, stride=8, rng=source)[0]
        for _ in range(2000)
    ]
    counts = np.bincount(starts, minlength=5)  # 0 to 68 - 64
    assert len(counts) == 5
    assert counts.min() > 320


@pytest.mark.parametrize(("num_frames", "starts"), [(64, {0}), (65, {0, 1})])
def test_span_of_a_clip_is_frames_times_stride(num_frames, starts):
    source = rng()
    drawn = {
        int(sampling.train_clip(num_frames, clip_length=8, stride=8, rng=source)[0])
        for _ in range(50)
    }
    assert drawn == starts


def test_fewer_frames_than_segments_are_spread_with_repeats():
    # part 0, not more frames than segments: round(i * 2 / 3)
    assert sampling.train_segments(2, num_segments=3, rng=rng()).tolist() == [0, 1, 1]


@pytest.mark.parametrize("num_frames", [1, 2, 7, 63, 64, 65, 300])
def test_frame_numbers_stay_in_the_video(num_frames):
    for clip in (
        sampling.train_clip(num_frames, clip_length=8, stride=8, rng=rng()),
        sampling.train_segments(num_frames, num_segments=5, rng=rng()),
        sampling.test_clips(num_frames, clip_length=8, stride=8, num_clips=10),
        sampling.test_frames(num_frames, count=25),
    ):
        assert clip.min() >= 0
        assert clip.max() < num_frames


@pytest.mark.parametrize(
    ("num_frames", "expected"),
    [
        (8, [[0, 2, 4, 6]]),
        (16, [[0, 2, 4, 6], [8, 10, 12, 14]]),
        (13, [[0, 2, 4, 6], [8, 10, 12, 9]]),
        (10, [[0, 2, 4, 6], [8, 8, 8, 8]]),
        (3, [[0, 2, 1, 0]]),
        (1, [[0, 0, 0, 0]]),
    ],
)
def test_windows_reach_the_end_and_the_last_wraps_around_to_its_own_start(
    num_frames, expected
):
    windows = read({"kind": "clip", "num_frames": 4, "stride": 2, "test_views": 0})
    assert windows.test(num_frames).tolist() == expected
    assert windows.test_shape() == (1, 4)


def test_windows_of_neighbouring_frames_are_every_frame_once():
    windows = sampling.test_windows(163, clip_length=16, stride=1)
    assert windows.shape == (11, 16)
    assert windows.reshape(-1)[:163].tolist() == list(range(163))
    assert set(windows.reshape(-1)[163:].tolist()) <= {160, 161, 162}
    windows = sampling.test_windows(90_000, clip_length=16, stride=1)
    assert windows.shape == (sampling.MAX_WINDOWS, 16)
    assert (windows[0, 0], windows[-1, -1]) == (0, 89_999)
    assert set(np.diff(windows[:, 0]).tolist()) == {22 * 16, 23 * 16}


def test_config_section_gives_the_functions():
    clip = read({"kind": "clip", "num_frames": 8, "stride": 8, "test_views": 10})
    assert clip.test(300).shape == clip.test_shape() == (10, 8)
    assert clip.train(300, rng()).shape == (8,)
    segments = read({"kind": "segments", "num_frames": 3, "test_views": 25})
    assert segments.test(300).shape == segments.test_shape() == (1, 25)
    assert segments.train(300, rng()).shape == (3,)


@pytest.mark.parametrize("kind", ["clip", "segments"])
@pytest.mark.parametrize("part", ["train", "test"])
def test_differences_need_each_frame_and_the_next(kind, part):
    section = {"kind": kind, "num_frames": 4, "stride": 5, "test_views": 3}
    plain, paired = read(section), read(section | {"input": "difference"})
    if part == "train":
        frames = plain.train(200, rng())
        pairs = paired.train(200, rng())
        assert pairs.shape == (paired.train_length(),)
    else:
        frames, pairs = plain.test(200), paired.test(200)
        assert pairs.shape == paired.test_shape()
    np.testing.assert_array_equal(pairs[..., ::2], frames)
    np.testing.assert_array_equal(pairs[..., 1::2], frames + 1)


def test_the_last_frame_is_paired_with_the_one_before_it():
    paired = read({"kind": "clip", "num_frames": 4, "input": "rgb+difference"})
    assert paired.test(4).tolist() == [[0, 1, 1, 2, 2, 3, 2, 3]]
    assert paired.test(1).tolist() == [[0] * 8]


def test_differences_of_several_clips_are_clip_after_clip():
    paired = read(THREE_CLIPS | {"input": "difference"})
    found = paired.train(192, rng()).reshape(3, 8, 2)
    np.testing.assert_array_equal(found[..., 0], np.arange(24).reshape(3, 8) * 8)
    assert (np.diff(found, axis=2) == 1).all()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"kind": "dense", "num_frames": 8}, "sampling.kind 'dense'; known: clip"),
        ({"kind": "clip"}, "sampling.num_frames must be .* None"),
        ({"kind": "clip", "num_frames": 8, "stride": 0}, "stride must be .* least 1"),
        ({"kind": "clip", "num_frames": 8, "views": 2}, "unknown key 'views'"),
        (
            {"kind": "clip", "num_frames": 8, "input": "flow"},
            "input 'flow'; known: rgb",
        ),
        ({"kind": "clip", "num_frames": 8, "test_rule": "1.x"}, "test_rule '1.x'; kn"),
    ],
)
def test_wrong_section_is_a_config_error(section, message):
    with pytest.raises(errors.ConfigError, match=message):
        read(section)


THREE_CLIPS = {"kind": "clip", "num_frames": 8, "stride": 8, "train_clips": 3}


def spans(num_frames, stride, draws=300):
    """Starts [draws, M] of clips that are as they should be at this stride."""
    chosen, generator = read(THREE_CLIPS), rng()
    found = np.stack([chosen.train(num_frames, generator) for _ in range(draws)])
    clips = found.reshape(draws, 3, 8)
    assert (np.diff(clips, axis=2) == stride).all()
    assert (np.diff(clips[:, :, 0], axis=1) >= 8 * stride).all(), "no overlap, in order"
    assert clips.min() >= 0
    assert clips[:, -1, 0].max() + 8 * stride <= num_frames
    return clips[:, :, 0]


def test_clips_of_a_long_video_lie_anywhere_in_the_order_of_time():
    starts = spans(192 + 6, stride=8, draws=1000)
    # 6 frames are left over: each of the C(9, 3) ways to deal them out comes up
    ways = {tuple(row) for row in starts - np.arange(3) * 64}
    assert len(ways) == 84
    assert (spans(192, stride=8, draws=3) == np.arange(3) * 64).all()


@pytest.mark.parametrize(("num_frames", "stride"), [(191, 7), (100, 4), (24, 1)])
def test_stride_shrinks_to_what_a_short_video_has_room_for(num_frames, stride):
    assert spans(num_frames, stride, draws=20).shape == (20, 3)


def test_clips_wrap_around_a_video_of_too_few_frames():
    found = read(THREE_CLIPS).train(5, rng())
    np.testing.assert_array_equal(found, np.arange(24) % 5)


def test_segments_are_one_clip():
    with pytest.raises(errors.ConfigError, match="train_clips must be 1 with segments"):
        read(THREE_CLIPS | {"kind": "segments"})
