"""The benchmarks of speed compare like with like, and write what they measured."""

import pathlib
import time

import jax
import numpy as np
import pytest

from smad_jax.data import video
from smad_jax.reporting import documents
from tests.benchmarks import compile_for, footage, measuring, startup

torch = pytest.importorskip("torch")
growth = pytest.importorskip("tests.benchmarks.growth")
loading = pytest.importorskip("tests.benchmarks.loading")
step_speed = pytest.importorskip("tests.benchmarks.step_speed")
torch_loading = pytest.importorskip("tests.benchmarks.torch_loading")

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "performance.md"
PARTS = ("step_speed_1", "step_speed_2", "loading", "feeding", "startup", "growth")


@pytest.mark.parametrize("part", PARTS)
def test_the_page_has_a_place_for_every_table(part):
    documents.check(PAGE, part)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_ours_and_pytorchs_compute_the_same_in_float64(layout):
    row = step_speed.Row("slowonly_tiny", 3, 20, batch=5)
    with jax.enable_x64(True):
        own = step_speed.ours(row, "float64")
        other = step_speed.theirs(row, layout, "float64")
        for step in step_speed.STEPS[::-1]:
            found, expected = own[step](), other[step]()
            assert found.dtype == expected.dtype == np.float64
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_the_networks_of_every_row_are_written_in_pytorch():
    for row in step_speed.ROWS:
        assert row.model in step_speed.torch_models.BACKBONES


def test_another_result_ends_the_comparison():
    step_speed.check(np.ones(3), np.ones(3), "row")
    with pytest.raises(RuntimeError, match="row: ours gives"):
        step_speed.check(np.ones(3), np.array([1.0, 1.0, 1.1]), "row")


def test_calls_are_measured_in_turns_and_every_second_round_backwards():
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "abc"}
    ticks = iter(range(100))
    found = measuring.alternate(calls, 2, lambda: float(next(ticks)))
    assert "".join(order) == "abccba"
    assert found == {name: [1.0, 1.0] for name in "abc"}


def test_a_ratio_is_of_medians_and_its_range_of_rounds():
    assert measuring.ratio([2, 3, 10], [1, 2, 4]) == ("1.50", "1.50 to 2.50")


def test_a_table_replaces_the_part_of_its_page(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- x -->\nold\n<!-- end x -->\nafter\n", "utf-8")
    measuring.publish("x", ["a", "b"], [["1", "2"]], note="Medians of 3.", page=page)
    text = page.read_text("utf-8")
    assert text.startswith("before\n<!-- x -->\n| a | b |")
    assert text.endswith("<!-- end x -->\nafter\n")
    assert "old" not in text
    assert "Medians of 3. Load average" in text
    assert capsys.readouterr().out.strip() in text


@pytest.mark.parametrize("gop", [12, 250])
def test_the_raw_decoder_returns_our_frames(gop):
    pictures = footage.pictures(0, num_frames=90, size=(48, 64))
    content, indices = footage.encode(pictures, gop), [25, 33, 41, 80]
    found = np.stack(torch_loading.pyav_frames(content, indices))
    np.testing.assert_array_equal(found, video.decode(content, indices))
    assert np.abs(found.astype(int) - pictures[indices]).mean() < 12  # those asked for


@pytest.mark.parametrize("where", ["here", "on the device"])
def test_pytorchs_loader_gives_clips_as_its_networks_take_them(where):
    frames = np.full((3, 48, 64, 3), 255, np.uint8)
    clips = torch_loading.Clips(
        files=[pathlib.Path("none")],
        decode=lambda path, indices: list(frames),
        num_frames=90,
        size=20,
        resize=24,
        normalise=where,
        num_clips=5,
    )
    (batch, index), *_ = torch_loading.loader(clips, 2, 0)
    assert batch.shape == (2, 3, 3, 20, 20)  # [B, 3, T, H, W]
    assert index.tolist() == [0, 1]
    white = (255 - torch_loading.MEAN) / torch_loading.STD if where == "here" else 255
    expected = np.broadcast_to(np.reshape(white, (-1, 1, 1, 1)), batch[0].shape)
    np.testing.assert_allclose(batch[0], expected, rtol=1e-5)


def test_an_accelerator_needs_the_cores_that_read_its_clips(monkeypatch):
    # 16 clips a chip in 1 ms of arithmetic, on a v5e; its memory takes less.
    flops = 1e-3 * compile_for.CHIPS["v5e"].flops
    program = compile_for.Program(0, flops, 0.0, 0, 0, 0)
    key = "v5e:2x4 configs/slowonly_baseline.py:k200db bfloat16"
    programs = {f"{key} train": program, f"{key} test": program}
    monkeypatch.setattr(compile_for, "read", lambda path: programs)
    rows = list(loading.feeding({"H.264": 100.0, "JPEG": 1000.0}))
    assert [row[1] for row in rows] == ["TPU v5e", "H100 SXM"]
    assert rows[0] == ["`slowonly_baseline`", "TPU v5e", "16,000", "160.0", "16.0"]


def test_growth_is_that_of_a_doubling_at_the_largest_sizes():
    assert growth.per_doubling([1, 10, 40], [5, 6, 24]) == pytest.approx(2)
    assert growth.per_doubling([1, 2], [3, 3]) == 1
    assert growth.verdict(2.1, growth.WORK) == "in proportion"
    assert "fixed cost" in growth.verdict(1.7, growth.WORK)
    assert "more than its work" in growth.verdict(2.3, growth.WORK)
    assert growth.verdict(0.7, growth.CORES) == "cores wait"


def test_a_step_of_any_size_and_number_of_aspects_can_be_measured():
    step = growth.stepper(growth.sized(batch=8, frames=2, side=16), 6)
    measure = growth.Measure(1, time.perf_counter, 0)
    assert growth.seconds_of({0: step}, measure)[0] > 0


def test_a_training_that_ends_early_is_no_first_step():
    startup.until_first_step(iter(["starting", "smad step 1/9 (epoch 1/1)"]))
    with pytest.raises(RuntimeError, match="error: no data"):
        startup.until_first_step(iter(["starting", "error: no data"]))


def test_a_start_is_measured_with_a_cache_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "elsewhere")
    found = startup.environment(tmp_path)
    assert found["XDG_CACHE_HOME"] == str(tmp_path)
    assert not any(name.startswith(("JAX_", "XLA_")) for name in found)
