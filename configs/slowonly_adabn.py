"""SlowOnly with adaptive batch norm (AdaBN), a compared method of Table 3.

    python main.py --config configs/slowonly_adabn.py
    python main.py --config configs/slowonly_adabn.py:k200db

Training is that of slowonly_baseline.py; each test set is predicted with batch
statistics of its own. `form=layer_by_layer` finds them exactly, in many passes. Paper:
52.0 on K200db-val, 52.3 on ARAS-64.
"""

from ml_collections import ConfigDict

from configs import arguments, recipes, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the baseline's recipe with adaptation before each test."""
    choice = arguments.parse(arg, form=("one_pass", "layer_by_layer"))
    config = recipes.slowonly(choice)
    config.method.name = "adabn"
    config.method.settings.form = choice.form
    # One view of each video of a batch shares statistics while they are estimated.
    config.evaluation.batch_size = 64
    return small.adjust(config)
