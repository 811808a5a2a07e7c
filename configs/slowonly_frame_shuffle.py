"""SlowOnly with FrameShuffle, a compared method of Table 3.

    python main.py --config configs/slowonly_frame_shuffle.py
    python main.py --config configs/slowonly_frame_shuffle.py:k200db,mode=confuse

The paper does not say what FrameShuffle is. mode=order, the default, predicts how four
segments were put out of order; augment shuffles frames; confuse makes the action
uncertain on shuffled clips. The paper reports 52.4 on K200db-val and 51.3 on ARAS-64.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe with half of the clips shuffled."""
    choice = common.parse(arg, mode=("order", "augment", "confuse"))
    config = common.slowonly(choice.train)
    config.method.name = "frame_shuffle"
    config.method.settings.mode = choice.mode
    config.method.settings.probability = 0.5
    weights = {"order": 0.5, "augment": 0.0, "confuse": 1.0}
    config.method.settings.weight = weights[choice.mode]
    if choice.mode != "order":
        return config
    return common.tuned(config, weight=0.25)
