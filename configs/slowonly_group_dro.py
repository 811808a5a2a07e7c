"""SlowOnly with GroupDRO (ICLR 2020) on groups of class and rarity of the scene.

    python main.py --config configs/slowonly_group_dro.py
    python main.py --config configs/slowonly_group_dro.py:k200db

A group is a class and a third of its videos by how frequent their scene is in it. The
step size is the default of the authors' code, which tuning kept on the embedded
benchmark.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe with groups and their worst-case loss."""
    config = common.slowonly(common.parse(arg).train)
    config.data.groups = "scene"
    config.method.name = "group_dro"
    config.method.settings.step_size = 0.01
    config.method.settings.over = "batch"  # `all` as published, for few groups
    return config
