"""The processes of a study, which end together with it."""

import subprocess
import threading
from collections.abc import Sequence
from typing import IO


class Children:
    """Processes started from several threads that one thread can stop together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def run(self, command: Sequence[str], console: IO[str]) -> int:
        """Runs a command with its output in `console`; returns its exit code.

        After `stop` it starts nothing and returns the code of a stopped process.
        """
        with self._lock:
            if self._stopped:
                return 143
            process = subprocess.Popen(
                command, stdout=console, stderr=subprocess.STDOUT, text=True
            )
            self._running.add(process)
        try:
            return process.wait()
        finally:
            with self._lock:
                self._running.discard(process)

    def stop(self) -> None:
        """Sends SIGTERM to all running processes and prevents further ones."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.terminate()
