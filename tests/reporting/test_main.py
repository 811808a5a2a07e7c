import json
import shutil
import sys

import pytest

from smad_jax import errors
from smad_jax.experiment import trained
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


def test_picture_is_drawn_beside_the_run_or_where_it_is_requested(
    fresh_run, small_data, tmp_path, capsys
):
    folder = tmp_path / "run"
    shutil.copytree(fresh_run, folder)
    data = ("--data-root", small_data, "--count", 3)
    assert run("picture", folder, "--set", "tail", *data) == 0
    target = folder / "picture_tail.png"
    printed = capsys.readouterr().out
    assert printed.startswith(f"picture: {target}, 3 of ")
    assert printed.endswith("videos; --count 10 draws one of each action\n")
    assert target.stat().st_size > 0
    place = ("--set", "embedded/iid", "--out", tmp_path / "a.png")
    assert run("picture", folder, *place, *data) == 0
    assert capsys.readouterr().out.startswith(f"picture: {tmp_path / 'a.png'}, 3 of ")
    assert run("picture", folder, "--set", "tial", *data) == 2
    assert "unknown test set 'tial'" in capsys.readouterr().err
    config = json.loads((folder / "config.json").read_text())
    config["evaluation"]["sets"] = {}
    (folder / "config.json").write_text(json.dumps(config))
    assert run("picture", folder, *data) == 2
    assert "known: none, or any DATASET/SPLIT" in capsys.readouterr().err
    assert run("picture", folder, "--out", "a.jpg", *data) == 2
    assert run("picture", tmp_path / "none", *data) == 3


def test_picture_of_a_stopped_run_shows_its_newest_checkpoint(
    fresh_run, small_data, tmp_path, capsys
):
    folder = tmp_path / "run"
    shutil.copytree(fresh_run, folder)
    (folder / "results.json").unlink()
    step = max(int(path.name) for path in (folder / "checkpoints").glob("[0-9]*"))
    data = ("--data-root", small_data, "--count", 3)
    assert run("picture", folder, *data) == 0
    assert f"videos, step {step} of unfinished training" in capsys.readouterr().out
    with pytest.raises(errors.DataError) as caught:
        trained.load(folder, small_data)
    assert str(caught.value) == (
        f"no finished run in {folder} (it has no results.json); repeat its command to "
        "resume it"
    )


def test_study_is_printed_and_written_into_both_documents(fake_runs, tmp_path, capsys):
    results = document(tmp_path / "results.md", "study-smad", "tune-smad")
    readme = document(tmp_path / "README.md", "study-smad-means")
    files = ("--write", results, "--write-means", readme)
    assert run("study", "--out", tmp_path / "out", "--seeds", 1, 3, *files) == 0
    printed = capsys.readouterr()
    assert printed.err.count(" ok") == len(fake_runs) == 10
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
