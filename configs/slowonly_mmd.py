"""SlowOnly with maximum mean discrepancy (MMD), a compared method of Table 3.

    python main.py --config configs/slowonly_mmd.py
    python main.py --config configs/slowonly_mmd.py:k200db,target=aras64

Targets and cost are those of slowonly_dann.py. Paper: 52.7 on K200db-val, 53.1 on
ARAS-64.
"""

from ml_collections import ConfigDict

from configs import arguments, recipes, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the baseline's recipe with a target and the distance of features."""
    choice = arguments.parse(arg, target=())
    config = recipes.adapting(choice)
    config.method.name = "mmd"
    config.method.settings.weight = 0.5  # `transferlearning`, for five kernels
    config.method.settings.kernel = "rbf"  # or `linear`
    config.method.settings.bandwidth = 0.0  # 0: the mean squared distance
    config.method.settings.passes = "joint"  # or `separate`
    return small.adjust(config)
