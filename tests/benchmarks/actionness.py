"""Where SAAR's actionness falls, against the actor's exact mask.

python -m tests.benchmarks.actionness runs/slowonly_smad

Prints a table for the test sets `iid` and `rare` of the run's draw of the embedded
benchmark. *on actor* is the share of the actionness there, *pointing* how often a
frame's highest score is in a cell that the actor half fills; in brackets the same for a
constant map. *IoU* is that of these cells and as many with the highest scores, *border*
how often the highest score is in the first or last row. The rows *edge* are the same
network with the border's values in place of zeros around the score head's input, at
test only: the difference is what the head reads from the zeros.
"""

import argparse
import functools
import pathlib
import sys
from collections.abc import Callable, Sequence
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

from smad_jax.data import preparation
from smad_jax.evaluation import cam
from smad_jax.experiment import trained
from smad_jax.models import saar
from smad_jax.reporting import tables

SETS = ("iid", "rare")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.actionness")
    parser.add_argument("run", type=pathlib.Path, help="folder of a run with SAAR")
    parser.add_argument("--data-root", default=preparation.default_root())
    chosen = parser.parse_args(arguments)
    rows = []
    for padding, wrap in (("zeros", lambda score: score), ("edge", with_edges)):
        scorer = wrap(saar.Score.__call__)
        with mock.patch.object(saar.Score, "__call__", scorer):
            # loaded again, or what was compiled for the other padding would be used
            network = trained.load_run(chosen.run, chosen.data_root)
            rows += [[name, padding, *measured(network, name)] for name in SETS]
    header = ["set", "padding", "on actor", "pointing", "IoU", "border"]
    print(tables.markdown(header, rows))
    return 0


def with_edges(score: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Returns a score head whose input goes on beyond the border as it is there."""

    @functools.wraps(score)
    def padded(head: saar.Score, x: jax.Array) -> jax.Array:
        x = jnp.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1), (0, 0)], mode="edge")
        return score(head, x)[:, :, 1:-1, 1:-1]

    return padded


def measured(network: trained.TrainedNetwork, name: str) -> list[str]:
    """Returns a row of the table, without set and padding."""
    dataset = network.settings.data.train.partition("/")[0]
    split = network.open_split(f"{dataset}/{name}")
    truth = np.load(network.dataset_folder(f"{dataset}/{name}") / "factors.npz")
    place = {id: row for row, id in enumerate(truth["ids"].tolist())}
    actor = np.unpackbits(truth["actor"][[place[id] for id in split.ids]], axis=-1)
    weight = np.concatenate(
        [
            cam.actionness(np.asarray(network.predictor.maps(clips).actionness))
            for clips in (batch["video"][:, 0] for batch in network.test_batches(split))
        ]
    )[: len(split)]  # the last batch is padded
    return located(weight, cells(actor.astype(bool), weight.shape[2:]))


def cells(mask: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """[V, T, H, W] bool to [V, T, h, w], the share of each cell that is true."""
    height, width = (a // b for a, b in zip(mask.shape[2:], size, strict=True))
    parts = mask.reshape(*mask.shape[:2], size[0], height, size[1], width)
    return parts.mean(axis=(3, 5))


def located(weight: np.ndarray, actor: np.ndarray) -> list[str]:
    """Returns the figures of maps [V, T, h, w] and shares of cells of that shape."""
    width = weight.shape[3]
    maps, there = (a.reshape(*a.shape[:2], -1) for a in (weight, actor))
    filled = there >= 0.5
    best = maps.argmax(axis=2)
    rank = (-maps).argsort(axis=2).argsort(axis=2)
    chosen = rank < filled.sum(axis=2, keepdims=True)
    union = np.maximum((chosen | filled).sum(axis=2), 1)
    on_actor = (maps * there).mean() / maps.mean()
    pointing = np.take_along_axis(filled, best[..., None], axis=2).mean()
    overlap = ((chosen & filled).sum(axis=2) / union).mean()
    border = np.isin(best // width, (0, weight.shape[2] - 1)).mean()
    return [
        f"{on_actor:.2f} ({there.mean():.2f})",
        f"{pointing:.2f} ({filled.mean():.2f})",
        f"{overlap:.2f}",
        f"{border:.2f}",
    ]


if __name__ == "__main__":
    sys.exit(main())
