"""The benchmarks run, at sizes that say nothing about speed."""

import json
import math
import pathlib
import re

import jax
import numpy as np
import pytest

from smad_jax import errors
from tests.benchmarks import (
    actionness,
    compile_for,
    faults,
    large_lists,
    lasting_bias,
    opening,
    pods,
    program_text,
    scale_plan,
    similar_aspects,
    trained_share,
)

ROOT = pathlib.Path(__file__).resolve().parents[1]


def test_large_lists_and_opening_run_at_toy_size(capsys):
    assert (
        large_lists.main(["--items", "9000", "--classes", "7", "--labels", "40"]) == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert set(found["seconds"]) == {"split", "thirds", "nmi", "random part"}
    assert opening.main(["--records", "500", "--labels", "3"]) == 0
    assert json.loads(capsys.readouterr().out)["records"] == 500


def test_similar_aspects_are_judged_in_every_combination(capsys):
    assert similar_aspects.main(["--draws", "1"]) == 0
    rows = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert [row["object"] for row in rows] == [*similar_aspects.COPIES, "half"]
    assert all(sum(row["verdicts"].values()) == 1 for row in rows)


def test_no_damage_loses_anything(capsys):
    assert faults.main(["--files", "48", "--kills", "0"]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split(" | ")[1] for row in rows] == ["48", "12", "12", "12", "40", "20"]


def test_a_damage_that_is_lost_is_counted_and_is_the_exit_code(capsys, monkeypatch):
    monkeypatch.setattr(faults.file_io, "BROKEN", ())
    monkeypatch.setattr(faults, "damaged", lambda content, rng: content[:9])
    assert faults.main(["--files", "48", "--kills", "0"]) == 1
    assert not capsys.readouterr().out.splitlines()[4].endswith("| 0 |")


def test_the_page_of_reliability_has_a_table_without_losses():
    text = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    found = re.search(r"<!-- faults -->\n(.*)\n<!-- end faults -->", text, re.S)
    head, line, *rows = found[1].splitlines()
    assert "\n".join([head, line]) == faults.HEADS
    assert len(rows) == 7
    assert all(row.endswith(" | 0 |") for row in rows)


def test_on_the_page_of_pods_every_fault_ends_both_processes_within_a_minute():
    text = (ROOT / "docs" / "pods.md").read_text("utf-8")
    found = re.search(r"<!-- ends -->\n(.*)\n<!-- end ends -->", text, re.S)
    rows = [row.strip("| ").split(" | ") for row in found[1].splitlines()]
    assert found[1].startswith(pods.HEADS)
    assert [row[0] for row in rows[2:]] == [fault.name for fault in pods.FAULTS]
    assert all(int(row[1]) < 60 for row in rows[2:])


def test_the_plan_multiplies_what_was_measured():
    rates = dict.fromkeys(scale_plan.RATES, 1.0)
    rates |= {"decode_videos": 10.0, "network_images": 1000.0, "core_images": 10.0}
    rates["accelerator_hour_cost"] = 3.0
    source = scale_plan.Source("some", 360_000, "videos", 2.0)
    # 720,000 MiB; 100 h of building, 2 x 10 h of decoding, 2 x 9 M frames at 1000/s
    assert scale_plan.cells(source, rates) == [
        "some",
        "0.69 TiB",
        "2,813",
        "100",
        "20",
        "500",
        "5",
        "0.9 GiB",
        "135",
    ]
    without = scale_plan.cells(source, rates | {"network_images": math.nan})
    assert without[-3:] == ["not measured", "0.9 GiB", "620"]  # on cores instead


def test_what_was_not_measured_is_not_guessed():
    assert scale_plan.table({}).count("not measured") == 5 * len(scale_plan.SOURCES)
    with pytest.raises(KeyError):
        scale_plan.cells(scale_plan.Source("x", 1, "sounds", 1.0), {})


def test_the_document_holds_the_table_of_its_rates():
    text = (ROOT / "docs" / "scale.md").read_text("utf-8")
    rates = json.loads((ROOT / "docs/results/scale-rates.json").read_text("utf-8"))
    found = re.search(r"<!-- plan -->\n(.*)\n<!-- end plan -->", text, re.S)
    assert found[1] == scale_plan.table(rates)


def test_the_search_for_a_lasting_bias_is_on_record_and_in_the_document(capsys):
    assert list(lasting_bias.read()) == list(lasting_bias.RUNS)
    assert lasting_bias.main([]) == 0
    text = (ROOT / "docs" / "embedded.md").read_text("utf-8")
    found = re.search(r"<!-- lasting -->\n(.*)\n<!-- end lasting -->", text, re.S)
    assert found[1] == capsys.readouterr().out.strip()


def test_a_draw_trains_if_it_beats_its_baseline_on_the_tail_without_guessing():
    scores = {
        "baseline": {"iid": [0.8, 0.8, 0.8, 0.8], "tail": [0.03, 0.03, 0.2, 0.03]},
        # the second guesses, the third is below its baseline
        "MAAT 0.3, one": {"iid": [0.7, 0.1, 0.7, 0.4], "tail": [0.1, 0.1, 0.1, 0.1]},
        "SMAD 0.3, one": {"iid": [0.7] * 4, "tail": [0.1, 0.1, 0.3, 0.1]},
    }
    shares = trained_share.share_by_arm(scores)
    assert shares == {("MAAT", "one", 0.3): 0.5, ("SMAD", "one", 0.3): 1.0}
    assert trained_share.table(shares, 4).endswith("| one     |    0.3 |    2 |    4 |")


def test_a_share_without_its_runs_names_the_command_that_makes_them(tmp_path):
    with pytest.raises(errors.DataError, match="smad_jax study --config"):
        trained_share.main(["--records", str(tmp_path / "none.jsonl")])


def test_actionness_is_located_on_the_actors_cells():
    mask = np.zeros((1, 1, 8, 12), bool)
    mask[..., 2:4, 3:6] = True  # fills the second of 4 x 4 cells, in the second row
    actor = actionness.cells(mask, (4, 4))
    assert actor.sum() == actor[0, 0, 1, 1] == 1
    weight = np.ones((1, 1, 4, 4))
    weight[..., 1, 1] = 5
    found = actionness.located(weight, actor)
    assert found == ["0.25 (0.06)", "1.00 (0.06)", "1.00", "0.00"]
    weight[..., 3, 2] = 9  # the highest score, in the last row
    assert actionness.located(weight, actor)[1:] == ["0.00 (0.06)", "0.00", "1.00"]


PROGRAM = """
%fused (p: bf16[8,64]) -> bf16[8,64] {
  ROOT %p = bf16[8,64]{1,0:T(8,128)(2,1)} parameter(0)
}

ENTRY %main (x: bf16[8,64]) -> (bf16[8,64], f32[4]) {
  %x = bf16[8,64]{1,0:T(8,128)(2,1)} parameter(0)
  %y = f32[4]{0:T(128)S(1)} parameter(1)
  %begin = (bf16[8,64]{1,0:T(8,128)S(1)}, bf16[8,64]{1,0}, u32[]{:S(2)}) copy-start(%x)
  %near = bf16[8,64]{1,0:T(8,128)(2,1)S(1)} copy-done(%begin)
  %z = bf16[8,64]{0,1:T(8,128)(2,1)} fusion(%near, %x), kind=kLoop, calls=%fused
  %sum = (f32[4]{0:T(128)S(1)}, f32[300]{0:T(128)}) all-reduce(%y, %y), to_apply=%add
  ROOT %both = (bf16[8,64]{0,1:T(8,128)(2,1)}, f32[4]{0:T(128)S(1)}) tuple(%z, %y)
}
"""


def test_traffic_of_a_program_is_what_it_moves_in_main_memory():
    # An array of 8 x 64 in tiles of 8 x 128 takes 2048 bytes, with its axes exchanged
    # 64 x 128 x 2. Copied in from x; read x and written z; 300 sums in 3 tiles of 128.
    assert program_text.hbm_bytes(PROGRAM) == 2048 + 2048 + 64 * 128 * 2 + 384 * 4
    assert program_text.collectives(PROGRAM) == (1, 128 * 4 + 384 * 4)


def test_a_step_is_lowered_and_counted_without_data(tmp_path, monkeypatch):
    monkeypatch.setattr(compile_for, "devices", lambda topology: jax.devices()[:1])
    results = tmp_path / "results.json"
    chosen = ["--config", "configs/slowonly_smad.py", "--dtype", "float32"]
    assert compile_for.main([*chosen, "--results", str(results)]) == 0
    found = compile_for.read(results)
    place = "v5e:2x4 configs/slowonly_smad.py float32"
    assert list(found) == [f"{place} test", f"{place} train"]
    # 16 videos forwards and backwards; 50 views forwards
    train, test = found[f"{place} train"], found[f"{place} test"]
    assert train.flops / test.flops == pytest.approx(3 * 16 / 50, rel=0.1)


def test_the_page_of_performance_holds_the_table_of_its_results():
    text = (ROOT / "docs" / "performance.md").read_text("utf-8")
    found = re.search(r"<!-- compiled -->\n(.*)\n<!-- end compiled -->", text, re.S)
    results = compile_for.read(ROOT / "docs/results/compiled.json")
    assert found[1] == compile_for.table(results)
