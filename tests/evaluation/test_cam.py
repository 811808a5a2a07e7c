import numpy as np
import pytest

from smad_jax.evaluation import cam

B, T, H, W, D, K = 2, 3, 4, 5, 6, 7


def test_map_is_the_weighted_sum_over_channels():
    rng = np.random.default_rng(0)
    features, kernel = rng.normal(size=(B, T, H, W, D)), rng.normal(size=(D, K))
    found = cam.class_activation(features, kernel, np.array([6, 1]))
    assert found.shape == (B, T, H, W)
    expected = sum(kernel[d, 1] * features[1, 2, 3, 4, d] for d in range(D))
    assert found[1, 2, 3, 4] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="expected"):
        cam.class_activation(features[..., :4], kernel, np.array([0, 1]))


def test_equal_scores_are_one_everywhere_and_every_frame_has_mean_one():
    np.testing.assert_allclose(cam.actionness(np.full((T, H, W), 9.0)), 1.0)
    found = cam.actionness(np.random.default_rng(0).normal(0, 50, (B, T, H, W)))
    np.testing.assert_allclose(found.mean(axis=(2, 3)), 1.0)
    two = cam.actionness(np.log([[[1.0, 3.0]]]))
    np.testing.assert_allclose(two, [[[0.5, 1.5]]])


def test_clip_scaling_keeps_frames_comparable_and_frame_scaling_does_not():
    maps = np.arange(T * H * W, dtype=float).reshape(T, H, W) - 30
    clip = cam.displayed(maps, 8, 15)
    assert clip.shape == (T, 8, 15)
    assert (clip.min(), clip.max()) == (0, 1)
    assert clip[0].max() < clip[2].min()
    frame = cam.displayed(maps, 8, 15, scaling="frame")
    np.testing.assert_allclose(frame.min(axis=(1, 2)), 0)
    np.testing.assert_allclose(frame.max(axis=(1, 2)), 1)
    with pytest.raises(ValueError, match="known: clip, frame"):
        cam.displayed(maps, 8, 15, scaling="video")


@pytest.mark.parametrize("value", [0.0, -3.0, 0.1])
def test_constant_map_is_dark(value):
    for scaling in cam.SCALINGS:
        maps = np.full((T, H, W), value) * (1 + 1e-9 * np.arange(W))
        assert not cam.displayed(maps, 8, 15, scaling=scaling).any()


def test_enlarged_map_is_bilinear_with_pixel_centres():
    maps = np.array([[[0.0, 1.0]]])
    np.testing.assert_allclose(
        cam.displayed(maps, 1, 8)[0, 0], [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1]
    )


@pytest.mark.parametrize("t", [1, 2, 4, 5, 8])
def test_maps_of_a_strided_network_are_stretched_as_torch_does(t):
    torch = pytest.importorskip("torch")
    maps = np.random.default_rng(t).normal(size=(t, H, W))
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(maps)[None, None], size=(8, H, W), mode="trilinear"
    )
    np.testing.assert_allclose(cam.stretched(maps, 8), expected[0, 0].numpy())


def test_overlay_keeps_the_hue_of_the_colours_whatever_the_picture():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (1, H, W, 3), np.uint8)
    for colours in ("evidence", "weight"):
        shown = cam.overlay(frames, np.full((1, H, W), 0.25), colours).astype(int)
        table = cam.table(colours)[64].astype(int)
        for one, other in ((0, 1), (1, 2)):
            found = shown[..., one] - shown[..., other]
            expected = 0.55 * (table[one] - table[other])
            np.testing.assert_allclose(found, expected, atol=1)


def test_legend_has_the_colours_of_an_overlay_on_grey():
    frames = np.full((1, 1, 3, 3), 128, np.uint8)
    for colours in ("evidence", "weight"):
        shown = cam.overlay(frames, np.array([[[0.0, 0.2, 1.0]]]), colours)[0, 0]
        assert (shown == cam.legend(colours)[[0, 51, 255]]).all()


def test_the_two_scales_have_no_colour_in_common():
    one, other = (cam.table(name).astype(int) for name in ("evidence", "weight"))
    assert np.abs(one[:, None] - other).max(axis=-1).min() > 40


def test_actionness_has_one_scale_that_stretches_nothing():
    assert (cam.relative(np.ones((T, H, W)), 9, 8) == 0.5).all()
    shown = cam.relative(np.array([[[0.0, 1.0, 2.0, 7.0]]]), 1, 4)
    np.testing.assert_allclose(shown, [[[0, 0.5, 1, 1]]])
    mean = cam.table("weight")[[127, 128]].astype(int)
    assert (mean.min(axis=1) > 240).all(), "white at the mean"
