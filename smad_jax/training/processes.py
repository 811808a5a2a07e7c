"""A run as one of several processes, as on a TPU pod.

Each process writes to JAX's key-value store that it is alive, and reads what the others
wrote. One that fails ends all: JAX itself would let them wait for it for minutes.
"""

import contextlib
import itertools
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import jax
from jax._src import distributed  # the store has no public name

from smad_jax import errors
from smad_jax.training import last_words, log

LOST = 5  # exit code after another process was killed
# Seconds without a sign of life. Less than the 100 after which JAX aborts the process.
PATIENCE = 30.0
_INTERVAL = 2.0  # seconds between two signs of life
_DAY = 24 * 3600 * 1000  # in milliseconds
_FOLDER = "smad_jax/processes/"
_AGAIN = "the same command resumes from the newest checkpoint"
_VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")


def join(
    coordinator: str | None, num_processes: int | None, process_id: int | None
) -> None:
    """Connects this process to the others; only the first keeps its log.

    JAX finds the processes of a TPU pod, Slurm or Open MPI by itself. Elsewhere the
    arguments or the environment name them.

    Args:
        coordinator: HOST:PORT of process 0.
        num_processes: How many processes there are.
        process_id: Which one this is, from 0.

    Raises:
        ConfigError: if they cannot be found.
    """
    address, *counts = (os.environ.get(name) for name in _VARIABLES)
    try:
        if coordinator is None:
            coordinator = address
            num_processes, process_id = (int(n) if n else None for n in counts)
        if coordinator and not coordinator.rpartition(":")[2].isdecimal():
            raise ValueError(f"{coordinator!r} is not HOST:PORT")
        jax.distributed.initialize(coordinator, num_processes, process_id)
    except (ValueError, jax.errors.JaxRuntimeError) as error:
        raise errors.ConfigError(
            f"--distributed cannot connect to the other processes ({error}); pass "
            f"--coordinator, --num_processes and --process_id, or set "
            f"{', '.join(_VARIABLES)}"
        ) from error
    if jax.process_index() > 0:
        log.quieten()


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Ends this process with the others, and the others with this one.

    An error of the body ends the process here, with its exit code but without JAX's
    barrier, where it would wait for processes that wait for it. The others end with the
    same code and a line that names this one, or with `LOST` if it was killed.
    """
    life = _Life()
    try:
        yield
    except errors.UserError as error:
        life.leave(error.exit_code, str(error), f"error: {error}")
    except KeyboardInterrupt:
        life.leave(130, "stopped by Ctrl-C", f"stopped by Ctrl-C; {_AGAIN}")
    except Exception as error:
        # Connections break when another process dies, which is an error here, too. The
        # watching thread then ends this process in the meantime.
        time.sleep(PATIENCE + 3 * _INTERVAL)
        text = f"{type(error).__name__}: {error}"
        life.leave(1, text, f"{traceback.format_exc()}error: {text}")
    finally:  # after SystemExit too: a signal stops all processes at the same step
        life.end()


class _Life:
    """This process's signs of life, and a thread that looks for those of the others."""

    def __init__(self) -> None:
        state = distributed.global_state
        if state.client is None:
            raise RuntimeError("join the other processes first")
        self._client = state.client
        self._own, self._number = state.process_id, state.num_processes
        self._sign: dict[str, Any] = {"host": socket.gethostname()}
        self._done = threading.Event()
        self._writing, self._ending = threading.Lock(), threading.Lock()
        name = self._name(self._own, self._sign)
        self._herald = subprocess.Popen(
            [
                *(sys.executable, "-I", last_words.__file__),
                *(str(state.coordinator_address), name, _AGAIN),
            ],
            stdin=subprocess.PIPE,
        )
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def leave(self, code: int, reason: str, line: str) -> NoReturn:
        """Prints a line, gives the others the reason, and ends the process."""
        self._ending.acquire()  # for good: of two threads one ends the process
        self._sign |= {"code": code, "reason": reason}
        self._signs(-1)
        self._exit(code, line)

    def end(self) -> None:
        """Waits until all processes are done, and stops watching them."""
        # JAX's own barrier at exit fails after five minutes, and the first process has
        # results to write; here the thread ends the wait if one of them dies.
        self._client.wait_at_barrier(f"{_FOLDER}end", _DAY)
        self._done.set()
        self._thread.join()
        self._herald.communicate(b"ended")

    def _watch(self) -> None:
        heard: dict[int, tuple[str, float]] = {}
        for beat in itertools.count():
            now = time.monotonic()
            for process, text in self._signs(beat).items():
                if process not in heard or heard[process][0] != text:
                    heard[process] = text, now
            for process, (text, when) in sorted(heard.items()):
                if process != self._own:
                    self._judge(process, json.loads(text), now - when)
            if self._done.wait(_INTERVAL):
                return

    def _signs(self, beat: int) -> dict[int, str]:
        """Gives a sign of life and returns those of all; none without process 0."""
        try:
            with self._writing:  # an older sign must not replace the last one
                own = json.dumps({"beat": beat} | self._sign)
                self._client.key_value_set(f"{_FOLDER}{self._own}", own, True)
            found = self._client.key_value_dir_get(_FOLDER)
        except (ValueError, RuntimeError):  # its silence shows soon enough
            return {}
        return {int(key.rpartition("/")[2]): text for key, text in found}

    def _judge(self, process: int, sign: Mapping[str, Any], silence: float) -> None:
        """Ends this process if another one has left, or is silent for too long."""
        name = self._name(process, sign)
        if "code" in sign:
            what, code = f"{name} ended: {sign['reason']}", sign["code"]
        elif silence > PATIENCE:
            what, code = f"{name} is silent for {silence:.0f} s, so it is dead", LOST
        else:
            return
        self._ending.acquire()
        self._exit(code, f"error: {what}; {_AGAIN}")

    def _name(self, process: int, sign: Mapping[str, Any]) -> str:
        return f"process {process} of {self._number} on {sign['host']}"

    def _exit(self, code: int, line: str) -> NoReturn:
        """Prints a line and ends the process from any thread, without JAX's barrier."""
        print(errors.printable(line), file=sys.stderr, flush=True)
        if self._own == 0:  # the store ends with it, which the others have to read
            time.sleep(3 * _INTERVAL)
        for worker in multiprocessing.active_children():
            worker.kill()
        with contextlib.suppress(BrokenPipeError):
            self._herald.communicate(b"ended")
        sys.stdout.flush()
        os._exit(code)
