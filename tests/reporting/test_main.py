import json
import sys

import numpy as np
import pytest

from smad_jax.evaluation import predict
from smad_jax.experiment import run_labels
from smad_jax.reporting import __main__ as command


def run(*arguments):
    return command.main([str(argument) for argument in arguments])


def put(folder, iid):
    record = {
        "results": {"iid/top1": iid},
        "n_seen": {"iid": 40},
        "seconds": 1.0,
        "processor_seconds": 1.0,
        "commit": "abc",
        "sees_target_data": False,
    }
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps(record))


def document(path, *names):
    parts = [f"<!-- {name} -->\nold {name}\n<!-- end {name} -->\n" for name in names]
    path.write_text("# Title\n" + "".join(parts))
    return path


def test_compare_prints_the_table_of_two_runs(tmp_path, capsys):
    put(tmp_path / "base", 0.5)
    put(tmp_path / "smad", 0.75)
    assert run("compare", tmp_path / "base", tmp_path / "smad") == 0
    table = capsys.readouterr().out.splitlines()
    assert table[-1] == "| iid      |     40 | 50.0 | 75.0 |      +25.0 |"


def test_missing_run_ends_with_code_3_and_the_command_that_makes_it(tmp_path, capsys):
    put(tmp_path / "base", 0.5)
    assert run("compare", tmp_path / "base", tmp_path / "smad") == 3
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(
        f"error: no finished run in {tmp_path / 'smad'}; python"
    )


def test_picture_is_drawn_beside_the_run_or_where_it_is_asked_for(tmp_path, capsys):
    count, T, H, W = 2, 3, 20, 28
    (tmp_path / "predictions").mkdir()
    predict.Examples(
        video=np.zeros((count, T, H, W, 3), np.uint8),
        actionness=np.ones((count, T, 5, 7)),
        labels=np.arange(count),
        predictions=np.arange(count),
        ids=np.array(["one", "two"]),
    ).save(tmp_path / "predictions" / "tail_examples.npz")
    assert run("picture", tmp_path, "--set", "tail") == 3
    assert "labels.json" in capsys.readouterr().err
    run_labels.write(tmp_path, run_labels.Labels(("walk", "wave"), {}))
    assert run("picture", tmp_path, "--set", "tail") == 0
    assert (tmp_path / "actionness_tail.png").stat().st_size > 0
    assert run("picture", tmp_path, "--set", "tail", "--out", tmp_path / "a.png") == 0
    assert capsys.readouterr().out.endswith(f"picture: {tmp_path / 'a.png'}\n")
    assert (tmp_path / "a.png").stat().st_size > 0
    assert run("picture", tmp_path) == 3
    assert "'rare'; --set can be tail" in capsys.readouterr().err


def test_picture_of_a_set_without_examples_ends_with_code_3(tmp_path, capsys):
    assert run("picture", tmp_path) == 3
    assert "'rare'; test it first" in capsys.readouterr().err


def test_study_is_printed_and_written_into_both_documents(fake_runs, tmp_path, capsys):
    results = document(tmp_path / "results.md", "study-smad", "tune-smad")
    readme = document(tmp_path / "README.md", "study-smad-means")
    files = ("--write", results, "--write-means", readme)
    assert run("study", "--out", tmp_path / "out", "--seeds", 1, 3, *files) == 0
    printed = capsys.readouterr()
    assert printed.err.count(" ok\n") == len(fake_runs) == 10
    whole, means = results.read_text(), readme.read_text()
    assert printed.out.strip() in whole
    assert "old study-smad" not in whole
    assert "old tune-smad" in whole
    table = means.split("-->\n")[1].rpartition("\n<!--")[0]
    assert table in whole
    assert {line[0] for line in table.splitlines()} == {"|"}


def test_tuning_is_printed_and_written(fake_runs, tmp_path, capsys):
    results = document(tmp_path / "results.md", "study-smad", "tune-smad")
    assert run("tune", "--out", tmp_path / "out", "--write", results) == 0
    assert capsys.readouterr().out.strip() in results.read_text()
    assert "old study-smad" in results.read_text()


@pytest.mark.parametrize(
    ("name", "option", "marker"),
    [
        ("study", "--write", "study-smad"),
        ("study", "--write-means", "study-smad-means"),
        ("tune", "--write", "tune-smad"),
    ],
)
def test_document_without_its_markers_is_told_before_any_run(
    name, option, marker, fake_runs, tmp_path, capsys
):
    page = document(tmp_path / "page.md", "other")
    out = tmp_path / "out"
    assert run(name, "--out", out, option, page) == 3
    assert f"lacks the lines <!-- {marker} -->" in capsys.readouterr().err
    assert run(name, "--out", out, option, tmp_path / "none.md") == 3
    assert "no document at" in capsys.readouterr().err
    assert not fake_runs


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["study", "--seeds", "1"], "--seeds: expected two or more, all different"),
        (["study", "--seeds", "1", "2", "1"], "--seeds: expected two or more"),
        (["study", "--seeds", "1", "x"], "invalid int value: 'x'"),
        (["study", "--at-once", "0"], "--at-once: expected 1, 2, 3 or more, not 0"),
        (["tune", "--at-once", "-2"], "--at-once"),
        (["tune", "--at-once", "many"], "not many"),
        (["tune", "--seeds", "1", "2"], "unrecognized arguments"),
        ([], "COMMAND"),
    ],
)
def test_mistake_in_the_command_ends_with_code_2(arguments, printed, capsys):
    with pytest.raises(SystemExit) as caught:
        sys.exit(run(*arguments))
    assert caught.value.code == 2
    assert printed in capsys.readouterr().err
