"""SlowOnly with FAME's background swap (CVPR 2022), newer than the paper.

    python main.py --config configs/slowonly_fame.py
    python main.py --config configs/slowonly_fame.py:k200db

An augmentation of supervised training: what moves is put before the background of
another clip. How often is the value of StillMix's authors for Kinetics-400.
"""

from ml_collections import ConfigDict

from configs import arguments, recipes, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the baseline's recipe with a quarter of the backgrounds swapped."""
    config = recipes.slowonly(arguments.parse(arg))
    config.method.name = "fame"
    config.method.settings.probability = 0.25
    config.method.settings.foreground = 0.5  # FAME's publication
    return small.adjust(config)
