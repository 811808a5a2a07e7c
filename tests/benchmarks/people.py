"""How well people are guessed without a detector, on the embedded benchmark.

python -m tests.benchmarks.people --data-root datasets --dataset embedded-seed1001

Prints the share of the actors' pixels that the guess covers, and that of the others.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Sequence

import numpy as np

from smad_jax.data import catalog, people, video


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.people")
    add = parser.add_argument
    add("--data-root", type=pathlib.Path, required=True)
    add("--dataset", required=True, help="a draw of the embedded benchmark")
    add("--videos", type=int, default=300, help="of its pool, evenly spaced")
    chosen = parser.parse_args(arguments)
    split = catalog.open_split(chosen.data_root, chosen.dataset, "pool")
    with np.load(chosen.data_root / chosen.dataset / "factors.npz") as factors:
        actors = np.unpackbits(factors["actor"][: len(split)], axis=-1).astype(bool)
    rows = np.unique(np.linspace(0, len(split) - 1, chosen.videos).astype(int))
    on_actor, elsewhere = [], []
    for row in rows.tolist():
        stored = split.video(row)
        frames = video.decode(stored.video, np.arange(stored.num_frames))
        guess = people.guess_people(frames)
        actor = actors[row].reshape(guess.shape)
        on_actor.append(guess[actor].mean())
        elsewhere.append(guess[~actor].mean())
    covered = {"actor": np.mean(on_actor), "rest": np.mean(elsewhere)}
    print(json.dumps({name: round(float(v), 3) for name, v in covered.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
