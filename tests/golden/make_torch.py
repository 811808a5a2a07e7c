"""Writes `torch.npz`: what PyTorch computes for every case of `torch_side`.

    python -m tests.golden.make_torch

Large arrays are kept as their digest (see `draws.digest`), so that the file is
small; where PyTorch is installed the tests compare whole arrays as well, and this
file with what PyTorch computes there.
"""

import pathlib

import numpy as np

from tests.golden import draws

FILE = pathlib.Path(__file__).with_name("torch.npz")


def main() -> None:
    """Computes all cases and writes the file; needs PyTorch."""
    from tests.golden import torch_side

    kept = {
        f"{case}|{name}": draws.digest(array)
        for case, compute in torch_side.CASES.items()
        for name, array in compute().items()
    }
    np.savez_compressed(FILE, **kept)
    print(f"{len(kept)} arrays in {FILE.name}")


if __name__ == "__main__":
    main()
