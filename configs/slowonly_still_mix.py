"""SlowOnly with StillMix (ICCV 2023), newer than the paper.

    python main.py --config configs/slowonly_still_mix.py
    python main.py --config configs/slowonly_still_mix.py:k200db

Lays a still frame of another clip over half of the clips. The frames come from the
batch, not from a bank; the values are those of the authors' code for that.
"""

from ml_collections import ConfigDict

from configs import arguments, recipes, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the baseline's recipe with still frames over half of the clips."""
    config = recipes.slowonly(arguments.parse(arg))
    config.method.name = "still_mix"
    config.method.settings.probability = 0.5
    config.method.settings.clip_shape = 200.0  # lambda is close to a half
    config.method.settings.frame_shape = 200.0
    return small.adjust(config)
