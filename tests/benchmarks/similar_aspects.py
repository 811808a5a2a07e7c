"""How an audit judges two similar aspects, of which a model follows one or neither.

python -m tests.benchmarks.similar_aspects --draws 200

For each way in which the object is similar to the scene it prints the verdicts on both
and how often they occur, as lines of JSON. In the last line the model follows neither.
"""

import argparse
import collections
import json
import sys
from collections.abc import Sequence

import numpy as np

from smad_jax.reporting.audit import analysis, audits, conclusions

COPIES = ("identical", "relabelled", "near", "half")
_VIDEOS = 600


def drawn(copy: str, seed: int, *, follows: float = 0.6) -> analysis.Audit:
    """Returns the audit of a model that often predicts the action that a scene shows.

    Args:
        copy: How the object is made: one of `COPIES`; `near` copies 95 % of the scenes
            and `half` copies 50 %.
        seed: Of the draw, which has 4, 5, 6 or 10 actions.
        follows: Share of the videos where the prediction is the scene's action.
    """
    rng, labels = np.random.default_rng(seed), (4, 5, 6, 10)[seed % 4]
    label = np.arange(_VIDEOS) % labels
    elsewhere = rng.integers(labels, size=(3, _VIDEOS))
    chance = rng.random((4, _VIDEOS))
    scene = np.where(chance[0] < 0.6, label, elsewhere[0])
    share = {"near": 0.95, "half": 0.5}.get(copy, 1.0)
    thing = np.where(chance[1] < share, scene, elsewhere[1])
    if copy == "relabelled":
        thing = rng.permutation(labels)[scene]
    read = np.where(chance[2] < 0.8, label, elsewhere[2])
    predicted = np.where(chance[3] < follows, scene, read)
    aspects = {"scene": scene, "object": thing}
    return audits.audit(predicted, label, aspects, bootstrap=0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.similar_aspects",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--draws", type=int, default=200, help="audits of each kind")
    draws = parser.parse_args(arguments).draws
    for copy, follows in (*((copy, 0.6) for copy in COPIES), ("half", 0.0)):
        found = [drawn(copy, seed, follows=follows) for seed in range(draws)]
        verdicts = collections.Counter(
            ", ".join(
                f"{aspect} {audit.of(aspect).concern.level}: "
                f"{audit.of(aspect).concern.reason}"
                for aspect in ("scene", "object")
            )
            for audit in found
        )
        none = sum(conclusions.headline(one).startswith("No bias") for one in found)
        row = {"object": copy, "follows": follows, "no bias": none}
        print(json.dumps(row | {"verdicts": dict(verdicts.most_common())}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
