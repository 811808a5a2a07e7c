"""main.py in a process of its own, forked from one that has imported it already.

Importing takes four seconds, which dozens of tests would each spend again. Where
signals or several processes matter, tests start Python itself.
"""

import multiprocessing
import os
import pathlib
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[2]

_FORKS = multiprocessing.get_context("forkserver")
# what `train` imports late
_FORKS.set_forkserver_preload(
    ["smad_jax.commands.runs", "smad_jax.commands.train", "tensorboardX"]
)


class Ended(NamedTuple):
    """How a process ended and what it wrote."""

    returncode: int | None
    stdout: str
    stderr: str


def run_main(
    arguments: Sequence[str], variables: Mapping[str, str], *, seconds: float = 300
) -> Ended:
    """Does what `python main.py ARGUMENTS` does in the project's folder.

    But for functions registered with `atexit`, which are not called.

    Args:
        arguments: What follows main.py.
        variables: Set in the environment before anything is done; the imports have
            seen the tests' own.
        seconds: After this time the process is killed and its code is negative.
    """
    with tempfile.TemporaryDirectory() as folder:
        told = [os.path.join(folder, name) for name in ("stdout", "stderr")]
        process = _FORKS.Process(
            target=_run, args=(list(arguments), dict(variables), told)
        )
        process.start()
        process.join(seconds)
        process.kill()
        process.join()
        return Ended(
            process.exitcode, *(pathlib.Path(path).read_text("utf-8") for path in told)
        )


def _run(arguments: list[str], variables: dict[str, str], told: Sequence[str]) -> None:
    """Runs in the new process, which has only its standard streams left to open."""
    for number, path in enumerate(told, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(ROOT)
    os.environ.update(variables)
    sys.argv = ["main.py", *arguments]
    from smad_jax.commands import train

    train.main()
