import hashlib
import json

import numpy as np
import pytest

from data_prep.embedded import make as maker
from data_prep.embedded import render, web_media
from smad_jax.data import catalog, images, video
from smad_jax.data.embedded import benchmark

SIZES = web_media.Sizes(clips=33, images=21, stills=300)
BASE = maker.Sizes(
    pool=120, iid=11, rare=13, tail_per_class=2, train_per_class=4, stills=300
)


def checksums(folder):
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Web data beside a benchmark, and the benchmark's files before and after."""
    root = tmp_path_factory.mktemp("data")
    base = maker.prepare(root, 5, log=str, sizes=BASE)
    before = checksums(base)
    folder = web_media.prepare(root, 5, log=str, sizes=SIZES)
    return folder, base, before, checksums(base)


@pytest.fixture(scope="module")
def raw(made):
    return catalog.open_split(
        made[0].parent, made[0].name, "raw", aspects=("scene", "object")
    )


def test_web_data_are_a_folder_of_their_own_and_change_nothing_else(made):
    folder, base, before, after = made
    assert folder.name == "embedded-web-seed5"
    assert before == after
    assert {path.name for path in folder.parent.iterdir()} == {folder.name, base.name}


def test_every_set_has_random_numbers_of_its_own():
    numbers = [*render.STREAMS.values(), render._STILLS_STREAM]
    assert len(set(numbers)) == len(numbers)
    # those of data sets that are there
    first = {"pool": 0, "iid": 1, "rare": 2}
    assert first.items() <= render.STREAMS.items()
    assert render._STILLS_STREAM == 3


def test_two_fifths_of_the_media_are_images():
    sizes = web_media.Sizes()
    assert sizes.clips + sizes.images == 3600
    assert sizes.images / 3600 == 0.4
    assert sizes.stills == maker.Sizes().stills


def test_split_of_all_media_has_both_aspects_and_the_benchmarks_classes(raw):
    assert len(raw) == 54
    assert raw.classes == benchmark.ACTIONS
    assert raw.aspect_labels["scene"].shape == (54, 16)
    assert raw.aspect_labels["object"].shape == (54, 8)
    assert all(mask.all() for mask in raw.aspect_mask.values())


def test_clips_and_images_show_their_factors_when_decoded(raw):
    for name, count, length, error in (("clip", 33, 4, 8), ("image", 21, 1, 0)):
        stream = render.STREAMS[name]
        media = benchmark.draw_web_media(
            count, seed=5, stream=stream, bias=benchmark.WebBias()
        )
        how = benchmark.FIRST_LOOK._replace(num_frames=length)
        clips = benchmark.render(media.factors, seed=5, stream=stream, how=how)
        for number in (0, count - 1):
            row = raw.ids.index(f"{name}-{number:05}")
            stored = raw.video(row)
            assert stored.num_frames == length
            assert images.is_image(stored.video) == (name == "image")
            frames = video.decode(stored.video, range(length)).astype(int)
            assert np.abs(frames - clips.video[number]).mean() <= error
            assert raw.labels[row] == media.label[number]


def test_the_truth_lies_beside_the_media_with_an_actor_for_each_frame(made, raw):
    truth = np.load(made[0] / "factors.npz")
    assert truth["ids"].tolist() == list(raw.ids)
    assert truth["actor"].shape == (54, 4, 32, 4)
    of_images = truth["actor"][33:]
    assert (of_images == of_images[:, :1]).all()
    assert of_images.any(axis=(1, 2, 3)).all()
    report = json.loads((made[0] / "report.json").read_text())
    assert report["labels_right"] == (truth["action"] == raw.labels).mean()
    assert 0.6 < report["labels_right"] < 1


def test_labels_are_those_of_the_benchmarks_labellers(raw):
    sets = {"iid": benchmark.draw_factors(11, seed=5, stream=1, bias=benchmark.Bias())}
    how = benchmark.FIRST_LOOK
    labellers = render.make(sets, BASE.stills, 5, str, how).labellers
    rows = range(33, 54)  # the images: of one frame each
    frames = np.concatenate([video.decode(raw.video(row).video, [0]) for row in rows])
    for aspect, label in labellers.items():
        values = label(frames)
        np.testing.assert_allclose(
            raw.aspect_labels[aspect][33:], values.astype(np.float16), atol=1e-3
        )


def test_existing_web_data_are_kept(made):
    lines = []
    again = web_media.prepare(made[0].parent, 5, log=lines.append, sizes=SIZES)
    assert (again, lines) == (made[0], [])


def test_the_command_makes_web_data_with_its_flag(made, capsys, monkeypatch):
    monkeypatch.setattr(web_media.Sizes, "scaled", lambda self, share: SIZES)
    arguments = ["--seed", "5", "--out", str(made[0].parent), "--web"]
    assert maker.main(arguments) == 0
    assert str(made[0]) in capsys.readouterr().out
