"""SlowOnly with GroupDRO (ICLR 2020) on groups of class and rarity of the scene.

    python main.py --config configs/slowonly_group_dro.py
    python main.py --config configs/slowonly_group_dro.py:k200db

A group is a third of a class's videos, by how frequent their scene is in this class.
Tuning kept the step size of the authors' code on the embedded benchmark.
"""

from ml_collections import ConfigDict

from configs import arguments, recipes, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the baseline's recipe with groups and their worst-case loss."""
    config = recipes.slowonly(arguments.parse(arg))
    config.data.groups = "scene"
    config.method.name = "group_dro"
    config.method.settings.step_size = 0.01
    config.method.settings.over = "batch"  # `all`, as published, is for few groups
    return small.adjust(config)
