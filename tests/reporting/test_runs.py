import json
import os
import shutil
import signal
import sys
import threading
import time
from concurrent import futures

import pytest

from smad_jax import errors
from smad_jax.reporting import children, runs

RECORD = {
    "results": {"iid/top1": 0.5},
    "n_seen": {"iid": 40},
    "seed": 3,
    "seconds": 12.5,
    "processor_seconds": 11.5,
    "commit": "abc",
    "sees_target_data": False,
}
CONFIG = {
    "seed": 3,
    "data": {"embedded_seed": 3},
    "optimizer": {"learning_rate": 0.004, "schedule": "cosine", "milestones": [40, 80]},
}


def put(folder, config=CONFIG, record=RECORD):
    """Writes a finished run by hand."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "results.json").write_text(json.dumps(record))


@pytest.fixture(autouse=True)
def config_file(tmp_path, monkeypatch):
    """The config that all jobs here name, where they look for it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.py").write_text(
        "import ml_collections\n"
        "def get_config(argument=''):\n"
        f"    config = ml_collections.ConfigDict({CONFIG!r})\n"
        "    config.optimizer.milestones = (40, 80)\n"
        "    config.model = {'saar': argument == 'saar'}\n"
        "    config.evaluation = {'sets': {'iid': 'embedded/iid'}}\n"
        "    return config\n"
    )


def job(folder, *settings, config="x.py"):
    return runs.Job(config, tuple(f"--config.{s}" for s in settings), folder)


@pytest.fixture
def launched(monkeypatch):
    """The folders of the jobs that were started, each of which then holds a run."""
    folders = []

    def launch(job, cores, family):
        folders.append(job.folder)
        shutil.rmtree(job.folder, ignore_errors=True)
        put(job.folder)
        return 0

    monkeypatch.setattr(runs, "_launch", launch)
    return folders


def finish(*jobs, at_once=1, report=lambda line: None):
    return runs.finish(jobs, at_once=at_once, report=report)


def test_run_is_read_from_its_folder(tmp_path):
    put(tmp_path / "run")
    run = runs.read(tmp_path / "run")
    assert (run.results, run.n_seen) == ({"iid/top1": 0.5}, {"iid": 40})
    assert (run.seconds, run.commit) == (12.5, "abc")


@pytest.mark.parametrize("text", [None, "", '{"results": {"iid/to', "[]", "{}"])
def test_missing_or_half_written_run_is_an_error_with_the_command(text, tmp_path):
    if text is not None:
        (tmp_path / "results.json").write_text(text)
    with pytest.raises(errors.DataError, match=r"python main.py --config"):
        runs.read(tmp_path)


def test_finished_run_with_the_jobs_settings_is_taken_as_it_is(launched, tmp_path):
    put(tmp_path / "run")
    settings = (
        "seed=3",
        "data.embedded_seed=3",
        "optimizer.learning_rate=4e-3",
        "optimizer.schedule=cosine",
        "optimizer.milestones=(40,80)",
    )
    (run,) = finish(job(tmp_path / "run", *settings))
    assert run.results == {"iid/top1": 0.5}
    assert not launched


def test_only_missing_runs_are_made_and_all_are_returned_in_order(launched, tmp_path):
    there, unmade, broken = (tmp_path / name for name in ("there", "unmade", "broken"))
    put(there)
    put(broken)
    (broken / "results.json").write_text(json.dumps(RECORD)[:-9])
    lines = []
    done = finish(
        *(job(folder, "seed=3") for folder in (unmade, there, broken)),
        report=lines.append,
    )
    assert [run.folder for run in done] == [unmade, there, broken]
    assert launched == [unmade, broken]
    assert lines == [
        "2 runs to make, 1 at a time; 0:00:12 a run, about 0:00:25 left",
        f"1/2 {unmade} ok; 0:00:12 a run, about 0:00:12 left",
        f"2/2 {broken} ok",
    ]


def test_runs_with_other_settings_are_named_before_any_is_made(launched, tmp_path):
    put(tmp_path / "a")
    put(tmp_path / "b")
    with pytest.raises(errors.DataError) as caught:
        finish(
            job(tmp_path / "unmade", "seed=3"),
            job(tmp_path / "a", "seed=3", "optimizer.learning_rate=0.008"),
            job(tmp_path / "b", "seed=4", "model.saar=True"),
        )
    message = str(caught.value)
    assert (
        f"{tmp_path / 'a'}: optimizer.learning_rate is 0.004, expected 0.008" in message
    )
    assert f"{tmp_path / 'b'}: seed is 3, expected 4" in message
    assert f"{tmp_path / 'b'}: model.saar is None, expected True" in message
    assert "a: seed" not in message
    assert not launched


def test_results_without_a_config_are_not_trusted(launched, tmp_path):
    put(tmp_path / "run")
    (tmp_path / "run" / "config.json").unlink()
    with pytest.raises(errors.DataError, match="seed is None, expected 3"):
        finish(job(tmp_path / "run", "seed=3"))


def test_failed_run_is_named_after_the_others_have_ended(monkeypatch, tmp_path):
    def launch(job, cores, family):
        if job.folder.name == "bad":
            return 4
        put(job.folder)
        return 0

    monkeypatch.setattr(runs, "_launch", launch)
    lines = []
    with pytest.raises(errors.DataError, match=r"bad.console\.log \(exit 4\)"):
        finish(
            job(tmp_path / "bad"),
            job(tmp_path / "good"),
            report=lines.append,
        )
    unknown = "; the first to end shows how long the others take"
    assert lines == [
        f"2 runs to make, 1 at a time{unknown}",
        f"1/2 {tmp_path / 'bad'} FAILED{unknown}",
        f"2/2 {tmp_path / 'good'} ok",
    ]


def test_flag_of_a_study_may_add_a_test_set(tmp_path):
    added = job(tmp_path / "run", "evaluation.sets.my-set=mine/night")
    assert runs.settings(added)["evaluation.sets.my-set"] == "mine/night"
    with pytest.raises(errors.ConfigError, match="other"):
        runs.settings(job(tmp_path / "run", "evaluation.sets.other="))


def test_signal_that_ends_no_wait_is_answered_all_the_same():
    # one that reaches another thread is like one that comes just before the wait
    class Answered(Exception):
        pass

    def answer(number, frame):
        raise Answered

    may_end = threading.Event()

    def work():
        time.sleep(0.5)  # until the main thread waits
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        may_end.wait(30)

    before, started = signal.signal(signal.SIGUSR1, answer), time.monotonic()
    try:
        with futures.ThreadPoolExecutor(1) as pool:
            with pytest.raises(Answered):
                list(runs._as_completed([pool.submit(work)]))
            assert time.monotonic() - started < 15
            may_end.set()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_runs_side_by_side_have_cores_of_their_own(monkeypatch, tmp_path):
    monkeypatch.setattr(
        os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False
    )
    both, seen = threading.Barrier(2, timeout=30), []

    def launch(job, cores, family):
        seen.append(cores)
        both.wait()  # a third thread or none at all would end in an error
        put(job.folder)
        return 0

    monkeypatch.setattr(runs, "_launch", launch)
    finish(*(job(tmp_path / str(number)) for number in range(4)), at_once=2)
    assert sorted(map(sorted, seen)) == [[0, 1], [0, 1], [2, 3], [2, 3]]


def test_runs_are_not_bound_where_the_system_cannot(monkeypatch):
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    assert runs._core_shares(3) == [set(), set(), set()]


def test_launch_runs_main_and_stores_what_it_prints(tmp_path):
    commands = []

    class Family:
        def run(self, command, console):
            commands.append(command)
            console.write("printed")
            return 7

    folder = tmp_path / "new" / "run"
    assert runs._launch(job(folder, "seed=3"), set(), Family()) == 7
    assert commands == [
        [
            *(sys.executable, "-m", "smad_jax", "train", "--config", "x.py"),
            *("--workdir", str(folder), "--config.seed=3"),
        ]
    ]
    assert (folder / "console.log").read_text() == "printed"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cannot bind")
def test_launched_process_has_its_cores_and_this_one_all_of_them(tmp_path):
    before = os.sched_getaffinity(0)
    core = max(before)

    class Family(children.Children):
        def run(self, command, console):
            code = "import os; print(os.sched_getaffinity(0))"
            return super().run([command[0], "-c", code], console)

    with futures.ThreadPoolExecutor(1) as pool:
        launched = pool.submit(runs._launch, job(tmp_path, "seed=3"), {core}, Family())
        assert launched.result() == 0
    assert (tmp_path / "console.log").read_text() == f"{{{core}}}\n"
    assert os.sched_getaffinity(0) == before
