"""Seconds and memory of the split, the thirds and the NMI of millions of videos.

python -m tests.benchmarks.large_lists

Prints one JSON object. The targets for 6 million items on one core are 60 s and 4 GiB;
prefix `taskset -c 0` for one core.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Sequence

import numpy as np

from data_prep.bias import redistribution, thirds, z_frequency


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.large_lists")
    parser.add_argument("--items", type=int, default=6_000_000)
    parser.add_argument("--classes", type=int, default=400)
    parser.add_argument("--labels", type=int, default=365)
    chosen = parser.parse_args(arguments)
    rng = np.random.default_rng(0)
    ids = np.char.mod(b"img_%09d.jpg", rng.permutation(chosen.items))
    actions = rng.integers(0, chosen.classes, chosen.items)
    factors = (rng.geometric(0.03, chosen.items) + 7 * actions) % chosen.labels
    classes = [f"class {label:03}" for label in range(chosen.classes)]
    seconds = {}

    def timed(name: str, run):
        start = time.perf_counter()
        found = run()
        seconds[name] = round(time.perf_counter() - start, 3)
        return found

    sizes = redistribution.Sizes(50, 400, allow_short=True)
    split = timed(
        "split",
        lambda: redistribution.redistribute(
            ids, actions, factors, classes, sizes, seed=0
        ),
    )
    timed("thirds", lambda: thirds.divide(ids, actions, factors, classes, seed=0))
    timed("nmi", lambda: z_frequency.normalized_mutual_information(actions, factors))
    timed(
        "random part",
        lambda: z_frequency.random_control(actions, split.train, seed=0),
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        json.dumps(
            {
                "items": chosen.items,
                "seconds": seconds,
                "total_seconds": round(sum(seconds.values()), 3),
                "peak_gib": round(peak, 2),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
