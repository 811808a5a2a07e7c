import dataclasses
import json

import pytest

from smad_jax import errors
from smad_jax.reporting import kept, runs

CONFIG = """
import ml_collections

def get_config(argument=''):
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.rate = {rate}
    return config
"""


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A job whose folder holds a finished run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.py").write_text(CONFIG.format(rate=0.5))
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text('{"seed": 3, "rate": 0.5}')
    (folder / "results.json").write_text(
        json.dumps(
            {
                "results": {"iid/top1": 0.5},
                "n_seen": {"iid": 40},
                "seconds": 12.5,
                "processor_seconds": 11.5,
                "commit": "abc",
                "sees_target_data": False,
            }
        )
    )
    return runs.Job("x.py", ("--config.seed=3",), folder)


@pytest.fixture
def file(tmp_path, job):
    """A file with the record of that run."""
    path = tmp_path / "deep" / "records.jsonl"
    run = dataclasses.replace(runs.read(job.folder), dependence={"scene/probe": 0.75})
    kept.Records(path).keep(job, run)
    return path


def test_run_on_record_is_found_where_its_folder_is_gone(file, job, tmp_path):
    elsewhere = dataclasses.replace(job, folder=tmp_path / "gone")
    run = kept.Records(file).find(elsewhere)
    assert run.results == {"iid/top1": 0.5}
    assert run.dependence == {"scene/probe": 0.75}
    assert (run.commit, run.processor_seconds) == ("abc", 11.5)
    assert run.folder == elsewhere.folder


def test_another_command_is_another_run_unless_it_means_the_same(file, job, tmp_path):
    records = kept.Records(file)
    assert records.find(dataclasses.replace(job, overrides=())) is None
    respelled = dataclasses.replace(job, config="x.py:y")
    assert records.find(respelled) == records.find(job)
    grown = CONFIG.format(rate=0.5).replace(
        "    return", "    config.new = 1\n    return"
    )
    (tmp_path / "x.py").write_text(grown)
    assert records.find(respelled) is None, "the argument may mean something else"


def test_run_counts_no_longer_when_its_config_means_other_settings(file, job, tmp_path):
    config = tmp_path / "x.py"
    config.write_text(CONFIG.format(rate=0.25))
    assert kept.Records(file).find(job) is None
    text = CONFIG.format(rate=0.5)
    config.write_text(text.replace("    return", "    config.new = 1\n    return"))
    assert kept.Records(file).find(job) is not None
    method = 'method = {"settings": {"over": 1}}'
    config.write_text(text.replace("    return", f"    config.{method}\n    return"))
    assert kept.Records(file).find(job) is None, "another form of the method"


def test_studies_side_by_side_lose_no_record(file, job):
    other = dataclasses.replace(job, overrides=("--config.seed=3", "--smoke"))
    one, two = kept.Records(file), kept.Records(file)
    one.keep(job, runs.read(job.folder))
    two.keep(other, runs.read(job.folder))
    records = kept.Records(file)
    assert records.find(job) == runs.read(job.folder), "the last line counts"
    assert records.find(other) == runs.read(job.folder)


def test_without_a_file_nothing_is_kept(job, tmp_path):
    records = kept.Records(None)
    records.keep(job, runs.read(job.folder))
    assert records.find(job) == runs.read(job.folder)
    assert kept.Records(tmp_path / "none.jsonl").find(job) is None


def test_record_after_a_line_without_its_end_has_a_line_of_its_own(file, job):
    file.write_text(file.read_text().rstrip("\n"))
    other = dataclasses.replace(job, overrides=("--config.seed=3", "--smoke"))
    kept.Records(file).keep(other, runs.read(job.folder))
    records = kept.Records(file)
    assert records.find(other) and records.find(job)
    assert len(file.read_text().splitlines()) == 2


def test_records_that_are_no_text_or_no_file_are_refused(file, tmp_path):
    with pytest.raises(errors.ConfigError, match="must be a file"):
        kept.Records(tmp_path)
    file.write_bytes(file.read_bytes() + b"\xff\n")
    with pytest.raises(errors.DataError, match="line 2 is not UTF-8"):
        kept.Records(file)
    file.write_text(file.read_text("latin-1").splitlines()[0].replace("0.75", '"high"'))
    with pytest.raises(errors.DataError, match=r"line 1 is no record .*'high'"):
        kept.Records(file)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"command": ["x.py"]}'])
def test_broken_record_is_named_by_its_line(file, text):
    file.write_text(file.read_text() + text + "\n")
    with pytest.raises(errors.DataError, match="line 2 is no record of a run"):
        kept.Records(file)
