import os
import signal as signals
import subprocess
import sys
import threading
import time

import pytest

from smad_jax.reporting import children

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


def wait_for(path, text):
    for _ in range(600):
        if path.is_file() and text in path.read_text():
            return
        time.sleep(0.05)
    pytest.fail(f"no {text!r} in {path}")


def test_exit_code_and_output_are_the_commands(tmp_path):
    with (tmp_path / "log").open("w") as console:
        code = children.Children().run(
            [sys.executable, "-c", "print('printed'); raise SystemExit(7)"], console
        )
    assert code == 7 and (tmp_path / "log").read_text() == "printed\n"


def test_stop_ends_what_runs_and_nothing_starts_any_more(tmp_path):
    family, codes = children.Children(), []
    with (tmp_path / "log").open("w") as console:
        thread = threading.Thread(
            target=lambda: codes.append(family.run(SLEEPER, console))
        )
        thread.start()
        wait_for(tmp_path / "log", "up")
        family.stop()
        thread.join(30)
        assert codes == [-15]
        assert family.run(SLEEPER, console) == 143
    assert (tmp_path / "log").read_text() == "up\n"


STUDY = """
import pathlib, signal, sys
from smad_jax.base import command_line
from smad_jax.reporting import runs

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored under nohup
runs.check = lambda jobs: None
runs.sys = type("Python", (), {"executable": sys.argv[1]})
folder = pathlib.Path(sys.argv[2])
jobs = [runs.Job("x.py", (), folder / str(number)) for number in range(3)]

def act():
    with command_line.ended_by_sigterm("again"):
        list(runs.make(jobs, at_once=1, report=print))

raise SystemExit(command_line.run(act, stopped="interrupted; again"))
"""


@pytest.mark.parametrize(
    ("signal", "code", "named"),
    [("SIGINT", 130, "interrupted; again"), ("SIGTERM", 143, "stopped by SIGTERM;")],
)
def test_signal_to_a_study_ends_its_run_and_starts_no_other(
    signal, code, named, tmp_path
):
    python = tmp_path / "python"  # takes the command line of main.py
    python.write_text("#!/bin/sh\necho $$ up\nexec sleep 60\n")
    python.chmod(0o755)
    study = subprocess.Popen(
        [sys.executable, "-c", STUDY, python, tmp_path],
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(tmp_path / "0" / "console.log", "up")
    started = time.monotonic()
    study.send_signal(getattr(signals, signal))
    _, printed = study.communicate(timeout=30)
    assert time.monotonic() - started < 20, "it waited for the run"
    assert study.returncode == code and named in printed
    assert not (tmp_path / "1").exists()
    pid = int((tmp_path / "0" / "console.log").read_text().split()[0])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
