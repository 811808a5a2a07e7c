"""Where the expected side of a case comes from, and how far another is from it."""

import pathlib
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from tests.golden import draws

FILE = pathlib.Path(__file__).with_name("torch.npz")
Arrays = Mapping[str, np.ndarray]


class Reference(Protocol):
    """A source of expected arrays."""

    def arrays(self, case: str) -> Arrays:
        """Returns the arrays of a case, as `seen` makes them."""
        ...

    def seen(self, array: np.ndarray) -> np.ndarray:
        """Returns what is compared of an array of ours."""
        ...


class Golden:
    """What the golden file keeps: digests of the arrays PyTorch computed once."""

    def __init__(self) -> None:
        self._cases: dict[str, dict[str, np.ndarray]] = {}
        with np.load(FILE) as file:
            for key in file:
                case, _, name = key.partition("|")
                self._cases.setdefault(case, {})[name] = file[key]

    def cases(self) -> set[str]:
        """Returns the names of all cases in the file."""
        return set(self._cases)

    def arrays(self, case: str) -> Arrays:
        """Returns the digests of a case."""
        return self._cases[case]

    def seen(self, array: np.ndarray) -> np.ndarray:
        """Returns an array's digest."""
        return draws.digest(array)


class Live:
    """What PyTorch computes now, whole."""

    def arrays(self, case: str) -> Arrays:
        """Returns the arrays of a case."""
        from tests.golden import torch_side  # PyTorch may not be installed

        return torch_side.compute(case)

    def seen(self, array: np.ndarray) -> np.ndarray:
        """Returns an array as it is."""
        return np.asarray(array, np.float64)


def errors(reference: Reference, case: str, found: Arrays) -> dict[str, float]:
    """Returns by name the largest difference, as a part of the largest value.

    It is infinite where something is not finite.

    Raises:
        ValueError: if a shape differs.
    """
    differences = {}
    for name, want in reference.arrays(case).items():
        got = reference.seen(found[name])
        if got.shape != want.shape:
            raise ValueError(f"{name} is {got.shape}, expected {want.shape}")
        scale = np.abs(want).max(initial=0) or 1.0
        comparable = np.isfinite(got).all() and np.isfinite(want).all()
        difference = np.abs(got - want).max(initial=0) if comparable else np.inf
        differences[name] = float(difference / scale)
    return differences
