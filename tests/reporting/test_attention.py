import dataclasses
import io

import av
import cv2
import jax
import matplotlib.figure
import numpy as np
import pytest
from flax import nnx
from matplotlib.axes import Axes

from configs import slowonly_smad
from smad_jax import errors, models
from smad_jax.data import images, jpeg_frames, loose_files, video
from smad_jax.evaluation import cam, predict
from smad_jax.experiment import trained
from smad_jax.experiment.settings import Settings
from smad_jax.methods import base
from smad_jax.reporting import __main__ as command
from smad_jax.reporting import attention
from smad_jax.training import train_state
from tests.helpers import debiasing

CLASSES = ("walk", "$x_{", "wave")


def network(saar, name="slowonly_tiny"):
    """A network with random weights, whose head is strong enough to have a view."""
    model = models.build_model(name, 3, saar=saar, rngs=nnx.Rngs(0))
    method = debiasing.build("baseline", model.backbone.width)
    graph, *arrays = train_state.split(base.Trained(model, method))
    params, batch_stats = jax.device_put(
        tuple(arrays), jax.sharding.SingleDeviceSharding(jax.devices()[0])
    )
    head = params["model"]["head"]
    head["kernel"] = jax.random.normal(jax.random.key(0), head["kernel"].shape)
    settings = Settings.read(slowonly_smad.get_config())
    return trained.TrainedNetwork(
        CLASSES, settings, predict.Predictor(graph, params, batch_stats, view_chunk=4)
    )


@pytest.fixture(scope="module")
def networks():
    return network(saar=False), network(saar=True)


@pytest.fixture(scope="module")
def content():
    """A file of nine frames, on a grey ground a bright square that moves right."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 60, 40, "yuv420p"
        for number in range(9):
            frame = np.full((40, 60, 3), 90, np.uint8)
            frame[10:25, 4 * number : 4 * number + 15] = (250, 200, 40)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        file.mux(stream.encode(None))
    return out.getvalue()


def test_four_columns_show_the_clip_that_both_networks_saw(networks, content):
    shown = attention.panels(*networks, content)
    clip = attention.clip_of(networks[1], content)
    T = len(clip)
    assert [c.shape for c in shown.columns] == [(T, 224, 224, 3)] * 4
    for frame, drawn in zip(clip, shown.columns[0], strict=True):
        small = cv2.resize(drawn, frame.shape[1::-1], interpolation=cv2.INTER_AREA)
        np.testing.assert_allclose(small.astype(int), frame, atol=1)
    after = attention.look(networks[1], clip)
    np.testing.assert_array_equal(
        shown.columns[3],
        cam.overlay(shown.columns[0], cam.displayed(after.activation, 224, 224)),
    )
    assert shown.titles[3] == f"SMAD CAM\n→ {after.answer} ({after.probability:.0%})"
    assert after.answer in CLASSES


def test_actionness_has_other_colours_than_the_evidence_for_a_class(networks, content):
    shown = attention.panels(*networks, content)
    after = attention.look(networks[1], attention.clip_of(networks[1], content))
    bright = cam.relative(after.actionness, 224, 224)
    np.testing.assert_array_equal(
        shown.columns[2], cam.overlay(shown.columns[0], bright, "weight")
    )
    assert (shown.columns[2] != cam.overlay(shown.columns[0], bright)).any()
    assert shown.titles[2] == "SMAD actionness"


def test_both_commands_draw_a_network_alike(networks, content, monkeypatch):
    drawn = []
    monkeypatch.setattr(Axes, "imshow", lambda axes, image, **_: drawn.append(image))
    clip = attention.clip_of(networks[1], content)
    found = attention.look(networks[1], clip)
    axes = matplotlib.figure.Figure().subplots(3, 1)
    attention._draw_column(axes, clip, found)
    shown = attention.panels(*networks, content)
    for image, column in zip(drawn, (0, 3, 2), strict=True):
        np.testing.assert_array_equal(image, shown.columns[column][len(clip) // 2])


def test_columns_name_the_true_action_and_an_unfinished_network(networks, content):
    early = dataclasses.replace(networks[1], step=40)
    titles = attention.panels(networks[0], early, content, action="wave").titles
    assert titles[0] == "wave\nthe video"
    assert titles[1].startswith("Baseline CAM\n")
    assert titles[2] == "SMAD actionness, step 40 of unfinished training"


@pytest.mark.parametrize("saar", [False, True])
def test_gallery_of_any_run_has_a_column_a_video_and_leaves_bad_ones_out(
    networks, content, tmp_path, saar
):
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / f"{name}.mp4").write_bytes(content if name != "b" else b"no video")
    split = loose_files.open_files(folder)
    path = tmp_path / "new" / "sheet.png"
    assert attention.gallery(networks[saar], split, path) == 2
    height = len(cv2.imread(str(path)))
    assert (height > 550) == saar  # rows of 1.5 inches at 120 dots, one for actionness
    (folder / "a.mp4").write_bytes(b"")
    (folder / "c.mp4").write_bytes(b"")
    with pytest.raises(errors.DataError, match=r"a\.mp4 cannot be read"):
        attention.gallery(networks[saar], split, path)


def test_frames_that_are_stored_as_jpeg_files_are_drawn_like_the_video(
    networks, content
):
    frames = list(video.frames(content))
    stored = jpeg_frames.pack([images.encode_jpeg(f, 100) for f in frames], len(frames))
    clip, other = (attention.clip_of(networks[1], c) for c in (content, stored))
    assert clip.shape == other.shape
    assert np.abs(clip.astype(int) - other).mean() < 2
    with pytest.raises(errors.DataError, match="cannot be read: truncated"):
        attention.clip_of(networks[1], stored[:-9])


def test_network_that_strides_over_time_has_a_map_for_every_frame(content):
    deep = [network(saar, "resnet3d_tiny") for saar in (False, True)]
    shown = attention.panels(*deep, content)
    clip = attention.clip_of(deep[1], content)
    assert len(attention.look(deep[1], clip).activation) < len(clip)
    assert [len(column) for column in shown.columns] == [len(clip)] * 4


def test_film_plays_every_frame_side_by_side(networks, content):
    shown = attention.panels(*networks, content, scaling="frame")
    with av.open(io.BytesIO(attention.film(shown))) as file:
        frames = [f.to_ndarray(format="rgb24") for f in file.decode(video=0)]
    assert len(frames) == len(shown.columns[0])
    assert frames[0].shape == (224, 4 * 224, 3)
    expected = np.concatenate([c[0] for c in shown.columns], axis=1)
    assert np.abs(frames[0].astype(int) - expected).mean() < 6


def test_networks_that_see_different_clips_are_not_compared(networks, content):
    baseline, smad = networks
    config = slowonly_smad.get_config()
    config.data.sampling.stride = 2
    with pytest.raises(errors.ConfigError, match=r"data\.sampling is .*'stride': 2"):
        attention.panels(
            dataclasses.replace(baseline, settings=Settings.read(config)), smad, content
        )
    with pytest.raises(errors.ConfigError, match=r"model\.saar=True"):
        attention.panels(smad, baseline, content)
    with pytest.raises(errors.DataError, match="cannot be read"):
        attention.panels(baseline, smad, b"no video")


def test_command_writes_a_picture_and_a_film(
    networks, content, tmp_path, capsys, monkeypatch
):
    found = {"one": networks[0], "two": networks[1]}
    monkeypatch.setattr(trained, "load", lambda folder, root, **_: found[folder.name])
    (tmp_path / "v.mp4").write_bytes(content)
    runs = ["cam", "--baseline", "one", "--smad", "two"]
    out = tmp_path / "new" / "fig.7"
    video = ["--video", str(tmp_path / "v.mp4")]
    assert command.main([*runs, *video, "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"pictures: {out}.png {out}.mp4\n"
    assert cv2.imread(f"{out}.png").shape[1] > 500
    assert command.main(runs) == 2
    assert "name a --video" in capsys.readouterr().err
