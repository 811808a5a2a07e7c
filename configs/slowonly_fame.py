"""SlowOnly with FAME's background swap (CVPR 2022), newer than the paper.

    python main.py --config configs/slowonly_fame.py
    python main.py --config configs/slowonly_fame.py:k200db

An augmentation of supervised training, with the values of StillMix's authors for
Kinetics-400. On the embedded benchmark tuning chose twice as often.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe with a quarter of the clips before another."""
    config = common.slowonly(common.parse(arg).train)
    config.method.name = "fame"
    config.method.settings.probability = 0.25
    config.method.settings.foreground = 0.5  # of the publication
    return common.tuned(config, probability=0.5)
