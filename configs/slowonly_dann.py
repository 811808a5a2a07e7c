"""SlowOnly with domain-adversarial training (DANN), a compared method of Table 3.

    python main.py --config configs/slowonly_dann.py
    python main.py --config configs/slowonly_dann.py:k200db,target=aras64

The first trains on the embedded benchmark with the videos of its tail set as unlabelled
target. The second adapts SlowOnly-8x8-R18 to ARAS-64; without `target=`, to K200db-val.
A model is for its own target: report only this set. Paper: 52.4 on K200db-val, 53.3 on
ARAS-64. Cost: a step has twice the clips of the baseline's.
"""

from ml_collections import ConfigDict

from configs import arguments, recipes, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the baseline's recipe with a target and a domain discriminator."""
    choice = arguments.parse(arg, target=())
    config = recipes.adapting(choice)
    config.method.name = "dann"
    config.method.ramp = "dann"  # Ganin et al., gamma 10
    config.method.settings.weight = 1.0
    config.method.settings.hidden = (1024, 1024)  # Transfer-Learning-Library
    config.method.settings.passes = "joint"  # or `separate`
    return small.adjust(config)
