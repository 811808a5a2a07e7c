"""Prints how far our numbers are from PyTorch's, case by case, in Markdown.

    python -m tests.golden.measure [--write docs/reference.md]

Needs PyTorch. A difference is the largest in any array of the case, as a part of the
largest value of that array.
"""

import argparse
import pathlib

from smad_jax.reporting import documents, tables
from tests.golden import expected, our_side


def main() -> None:
    """Measures every case in float64, and in float32 where both make sense."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--write",
        type=pathlib.Path,
        metavar="FILE",
        help="Markdown file whose part `parity` is to hold the table",
    )
    flags = parser.parse_args()
    reference, rows = expected.Live(), []
    for case in our_side.CASES:
        worst = {
            dtype: max(
                expected.errors(reference, case, our_side.compute(case, dtype)).values()
            )
            for dtype in ("float64", "float32")
            if dtype == "float64" or case.split()[0] in ("logits", "cosine", "steps")
        }
        arrays = len(reference.arrays(case))
        narrow = f"{worst['float32']:.0e}" if "float32" in worst else ""
        rows.append((case, str(arrays), f"{worst['float64']:.0e}", narrow))
    table = tables.markdown(("case", "arrays", "float64", "float32"), rows)
    print(table)
    if flags.write:
        documents.replace(flags.write, "parity", table)


if __name__ == "__main__":
    main()
