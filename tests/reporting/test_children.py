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
            [sys.executable, "-c", "print('told'); raise SystemExit(7)"], console
        )
    assert code == 7 and (tmp_path / "log").read_text() == "told\n"


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
