"""Adaptive batch norm (AdaBN), a row of Table 3: a test set's own statistics.

Trained like the baseline. Before a test, every batch norm of the network gets its mean
and variance over that test set; nothing else changes.
"""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Literal

import numpy as np

from smad_jax.methods import base
from smad_jax.models import batch_norm, statistics
from smad_jax.models.recognizer import Recognizer

_UNCHANGED = 1e-6  # in parts of a standard deviation


@dataclasses.dataclass(frozen=True)
class Settings(base.Settings):
    """How the statistics are estimated; see `AdaBn`."""

    form: Literal["one_pass", "layer_by_layer"] = "one_pass"


class AdaBn(base.Method[Settings]):
    """Statistics of the test set in place of those of training.

    `one_pass` reads the set once, normalises each batch by itself, and joins the
    batches' moments by the law of total variance: exact for the first layer, and for
    all layers if the set is one batch. `layer_by_layer` repeats the pass, normalising
    by the statistics so far, until they stop changing. Each pass makes one more layer
    exact, so there are at most as many passes as layers.
    """

    settings_type = Settings
    sees_target_data = True

    def adapt(
        self, model: Recognizer, clips: Callable[[], Iterable[np.ndarray]]
    ) -> None:
        """Gives every batch norm of the network the statistics of the clips.

        Raises DataError if there is no clip.
        """
        moments = statistics.observe(model, clips(), "batch")
        statistics.store(model, moments)
        if self.settings.form == "one_pass":
            return
        for _ in statistics.batch_norms(model):
            before, moments = moments, statistics.observe(model, clips(), "observe")
            statistics.store(model, moments)
            if _unchanged(before, moments):
                return


def _unchanged(before: statistics.Moments, after: statistics.Moments) -> bool:
    """Returns whether no statistic of any layer has moved."""
    for layer, variance in enumerate(after.variances):
        # In units of each channel's own spread: channels differ by orders of magnitude.
        scale = np.sqrt(variance + batch_norm.EPSILON)
        moved = np.abs(after.means[layer] - before.means[layer]) / scale
        spread = np.abs(variance - before.variances[layer]) / scale**2
        if max(moved.max(), spread.max()) > _UNCHANGED:
            return False
    return True
