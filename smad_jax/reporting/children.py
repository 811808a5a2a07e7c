"""Processes of a study, which end with it."""

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
        """Runs a command, what it prints going to `console`; returns its exit code.

        After `stop` nothing is started, and the code is that of a stopped process.
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
        """Asks what runs to end, by SIGTERM, and lets nothing start any more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.terminate()
