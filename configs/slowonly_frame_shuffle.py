"""SlowOnly with FrameShuffle, a compared method of Table 3.

    python main.py --config configs/slowonly_frame_shuffle.py
    python main.py --config configs/slowonly_frame_shuffle.py:k200db,mode=confuse

The paper does not describe FrameShuffle. `mode=order`, the default, predicts how four
segments were permuted; `augment` shuffles frames; `confuse` makes the action uncertain
on shuffled clips. Paper: 52.4 on K200db-val, 51.3 on ARAS-64.
"""

from ml_collections import ConfigDict

from configs import arguments, recipes, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the baseline's recipe with half of the clips shuffled."""
    choice = arguments.parse(arg, mode=("order", "augment", "confuse"))
    config = recipes.slowonly(choice)
    config.method.name = "frame_shuffle"
    config.method.settings.mode = choice.mode
    config.method.settings.probability = 0.5
    weights = {"order": 0.5, "augment": 0.0, "confuse": 1.0}
    config.method.settings.weight = weights[choice.mode]
    # Only the order was tuned.
    return small.adjust(config, tuned=None if choice.mode == "order" else "")
