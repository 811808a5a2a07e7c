"""Writes `torch.npz`: what PyTorch computes for every case of `torch_side`.

    python -m tests.golden.make_torch
    python -m tests.golden.make_torch sdn mmd

The second computes the cases named and leaves the others as they are.

Large arrays are kept as their digest (see `draws.digest`), so that the file is
small; where PyTorch is installed the tests compare whole arrays as well, and this
file with what PyTorch computes there.
"""

import argparse

import numpy as np

from tests.golden import draws, expected, torch_side


def main() -> None:
    """Computes the cases and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="names of cases; by default all")
    chosen = parser.parse_args().cases or list(torch_side.CASES)
    if unknown := sorted(set(chosen) - set(torch_side.CASES)):
        parser.error(f"no case {unknown[0]!r}; known: {', '.join(torch_side.CASES)}")
    before = expected.Golden() if expected.FILE.is_file() else None
    kept = {}
    for case in torch_side.CASES:
        if case in chosen or before is None:
            computed = torch_side.compute(case)
            arrays = {name: draws.digest(array) for name, array in computed.items()}
        else:
            arrays = before.arrays(case)
        kept |= {f"{case}|{name}": array for name, array in arrays.items()}
    np.savez_compressed(expected.FILE, **kept)
    print(f"{len(kept)} arrays in {expected.FILE.name}")


if __name__ == "__main__":
    main()
