"""SlowOnly with deep feature reweighting, DFR (ICLR 2023), newer than the paper.

    python main.py --config configs/slowonly_dfr.py
    python main.py --config configs/slowonly_dfr.py:k200db

Trained like slowonly_baseline.py on four fifths of the videos; on the others the last
layer is fitted again, balanced over groups of class and rarity of the scene. On the
embedded benchmark, where the number of steps decides, it takes as many as the others.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe with a last layer fitted to held-out videos."""
    choice = common.parse(arg)
    config = common.slowonly(choice.train)
    config.data.groups = "scene"
    config.data.holdout = 0.2
    if choice.train == common.EMBEDDED:
        config.training.epochs = config.training.epochs * 5 // 4
    config.method.name = "dfr"
    config.method.settings.draws = 10  # of the authors' code
    config.method.settings.inverse_penalty = 1.0
    return common.tuned(config)
