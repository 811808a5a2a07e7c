"""Writes `torch.npz`: what PyTorch computes for every case of `torch_side`.

    python -m tests.golden.make_torch

Large arrays are kept as their digest (see `draws.digest`), so that the file is
small; where PyTorch is installed the tests compare whole arrays as well, and this
file with what PyTorch computes there.
"""

import numpy as np

from tests.golden import draws, expected, torch_side


def main() -> None:
    """Computes all cases and writes the file."""
    kept = {
        f"{case}|{name}": draws.digest(array)
        for case in torch_side.CASES
        for name, array in torch_side.compute(case).items()
    }
    np.savez_compressed(expected.FILE, **kept)
    print(f"{len(kept)} arrays in {expected.FILE.name}")


if __name__ == "__main__":
    main()
