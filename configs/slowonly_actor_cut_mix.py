"""SlowOnly with ActorCutMix (CVIU 2023), newer than the paper.

    python main.py --config configs/slowonly_actor_cut_mix.py
    python main.py --config configs/slowonly_actor_cut_mix.py:k200db

Pastes what moves into the scenes of other clips; the publication detects people. How
often is the value of StillMix's authors for Kinetics-400.
"""

from ml_collections import ConfigDict

from configs import arguments, recipes, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the baseline's recipe with a quarter of the actors in other scenes."""
    config = recipes.slowonly(arguments.parse(arg))
    config.method.name = "actor_cut_mix"
    config.method.settings.probability = 0.25
    config.method.settings.foreground = 0.5  # as FAME's masks
    return small.adjust(config)
