"""SlowOnly with background erasing, BE (CVPR 2021), newer than the paper.

    python main.py --config configs/slowonly_background_erasing.py
    python main.py --config configs/slowonly_background_erasing.py:k200db

An augmentation of supervised training, with the values of StillMix's authors for
Kinetics-400, which tuning kept on the embedded benchmark.
"""

from ml_collections import ConfigDict

from configs import arguments, recipes, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the baseline's recipe with one of its frames over half of the clips."""
    config = recipes.slowonly(arguments.parse(arg))
    config.method.name = "background_erasing"
    config.method.settings.probability = 0.5
    config.method.settings.strength = 0.3  # BE's publication
    return small.adjust(config)
