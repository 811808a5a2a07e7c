"""SlowOnly with maximum mean discrepancy (MMD), a compared method of Table 3.

    python main.py --config configs/slowonly_mmd.py
    python main.py --config configs/slowonly_mmd.py:k200db,target=aras64

The first trains on the embedded benchmark with the videos of its tail set as unlabelled
target. The second adapts SlowOnly-8x8-R18 to ARAS-64; without target= it is K200db-val.
A model is for its own target: results on other test sets are of no use in Table 3. The
paper reports 52.7 on K200db-val and 53.1 on ARAS-64. A step has twice the clips.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe with a target and the distance of features."""
    config = common.adapting(arg)
    config.method.name = "mmd"
    config.method.settings.weight = 0.5  # that of `transferlearning` for five kernels
    config.method.settings.kernel = "rbf"  # or `linear`
    config.method.settings.bandwidth = 0.0  # 0: the mean squared distance
    config.method.settings.passes = "joint"  # or `separate`
    return config
