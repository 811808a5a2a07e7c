"""Waits beside a training process, and prints a line if that ends without its own.

No Python code runs in a process that is killed, or that JAX aborts because process 0 is
gone. `processes` starts this file as a program of its own.
"""

import signal
import socket
import sys


def main(coordinator: str, name: str, again: str) -> None:
    """Names this process, or process 0 if nothing listens at `coordinator`.

    Prints nothing if something came through standard input before it was closed.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # they go to whole groups
        signal.signal(number, signal.SIG_IGN)
    if sys.stdin.read():
        return
    host, _, port = coordinator.rpartition(":")
    what = f"{name} was killed or crashed"
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError:
        if not name.startswith("process 0 "):
            what = f"process 0 at {coordinator} is gone, so JAX ended {name}"
    print(f"error: {what}; {again}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
