"""SlowOnly with background erasing, BE (CVPR 2021), newer than the paper.

    python main.py --config configs/slowonly_background_erasing.py
    python main.py --config configs/slowonly_background_erasing.py:k200db

An augmentation of supervised training, with the values of StillMix's authors for
Kinetics-400, which tuning kept on the embedded benchmark.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe with a frame of their own on half of the clips."""
    config = common.slowonly(common.parse(arg).train)
    config.method.name = "background_erasing"
    config.method.settings.probability = 0.5
    config.method.settings.strength = 0.3  # of the publication
    return config
