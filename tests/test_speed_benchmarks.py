"""The benchmarks of speed compare like with like, and write what they measured."""

import jax
import numpy as np
import pytest

from tests.benchmarks import measuring

torch = pytest.importorskip("torch")
step_speed = pytest.importorskip("tests.benchmarks.step_speed")


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
