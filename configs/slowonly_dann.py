"""SlowOnly with domain-adversarial training (DANN), a compared method of Table 3.

    python main.py --config configs/slowonly_dann.py
    python main.py --config configs/slowonly_dann.py:k200db,target=aras64

The first trains on the embedded benchmark with the videos of its tail set as unlabelled
target. The second adapts SlowOnly-8x8-R18 to ARAS-64; without target= it is K200db-val.
A model is for its own target: results on other test sets are of no use in Table 3. The
paper reports 52.4 on K200db-val and 53.3 on ARAS-64. A step has twice the clips.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe with a target and a domain discriminator."""
    config = common.adapting(arg)
    config.method.name = "dann"
    config.method.ramp = "dann"  # Ganin et al., gamma 10
    config.method.settings.weight = 1.0
    config.method.settings.hidden = (1024, 1024)  # Transfer-Learning-Library's
    config.method.settings.passes = "joint"  # or `separate`
    return common.tuned(config, weight=0.3)
