import errno
import json
import os
import signal
import subprocess
import sys

import pytest

from smad_jax import errors
from smad_jax.experiment import run_lock

HOLD = """
import pathlib, sys, time
from smad_jax.experiment import run_lock
with run_lock.held(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(100)
"""


@pytest.fixture
def holder(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_second_run_is_refused_and_named_until_the_first_is_killed(tmp_path, holder):
    folder = tmp_path / "run"
    named = rf"run is in use by process {holder.pid} on \S+ since .*; wait until"
    for _ in range(2):  # being refused takes no lock away
        with pytest.raises(errors.ConfigError, match=named):
            with run_lock.held(folder):
                pytest.fail("both hold it")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (folder / run_lock.FILE).exists()  # stale, but nobody holds it
    with run_lock.held(folder):
        content = json.loads((folder / run_lock.FILE).read_text())
        assert content["pid"] == os.getpid()


def test_nothing_is_left_of_a_run_that_never_began(tmp_path):
    with pytest.raises(RuntimeError), run_lock.held(tmp_path / "run"):
        raise RuntimeError
    assert not (tmp_path / "run").exists()
    with run_lock.held(tmp_path / "run"):
        (tmp_path / "run" / "train.log").touch()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["train.log"]


def test_file_system_without_locks_is_a_warning(tmp_path, monkeypatch, caplog):
    def fail(*unused):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(run_lock.fcntl, "lockf", fail)
    with run_lock.held(tmp_path / "run"):
        assert "without locks" in caplog.text
        with pytest.raises(errors.ConfigError, match=f"by process {os.getpid()} on"):
            with run_lock.held(tmp_path / "run"):
                pytest.fail("both hold it")
