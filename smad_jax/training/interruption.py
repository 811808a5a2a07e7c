"""Signals that end a run between two steps, on all its processes after the same one."""

import signal
from types import FrameType

import jax
from jax.experimental import multihost_utils


class Interrupted(Exception):
    """Raised after a signal, when everything is saved. Holds the signal's number."""

    def __init__(self, number: int) -> None:
        # the key that was pressed, as on the page of exit codes
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        super().__init__(
            f"stopped by {name}; everything is saved, run the same command to resume"
        )
        self.number = number


class Signals:
    """Notes SIGTERM and SIGINT, so that the run can end between two steps."""

    def __init__(self) -> None:
        self.received = 0

    def __enter__(self) -> "Signals":
        # On a pod SIGTERM is JAX's own: a handler here would take it away.
        alone = jax.process_count() == 1
        self._before = {
            number: signal.signal(number, self._note)
            for number in ((signal.SIGTERM, signal.SIGINT) if alone else ())
        }
        return self

    def __exit__(self, *unused: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def agreed(self, step: int) -> bool:
        """Returns whether all processes stop after `step`."""
        if jax.process_count() == 1:
            return bool(self.received)
        # One host of a pod gets the signal first; JAX finds a step for all to stop at.
        reached = multihost_utils.reached_preemption_sync_point(step)
        self.received = signal.SIGTERM if reached else 0
        return reached

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.received = number
