"""SlowOnly with ActorCutMix (CVIU 2023), newer than the paper.

    python main.py --config configs/slowonly_actor_cut_mix.py
    python main.py --config configs/slowonly_actor_cut_mix.py:k200db

What moves takes the place of detected people. How often is the value of StillMix's
authors for Kinetics-400; on the embedded benchmark tuning chose twice as often.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe with a quarter of the actors in other scenes."""
    config = common.slowonly(common.parse(arg).train)
    config.method.name = "actor_cut_mix"
    config.method.settings.probability = 0.25
    config.method.settings.foreground = 0.5  # as FAME's masks
    return common.tuned(config, probability=0.5)
