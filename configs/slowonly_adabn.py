"""SlowOnly with adaptive batch norm (AdaBN), a compared method of Table 3.

    python main.py --config configs/slowonly_adabn.py
    python main.py --config configs/slowonly_adabn.py:k200db

Trained like slowonly_baseline.py; each test set is predicted with batch statistics of
its own. With form=layer_by_layer they are exact, at the price of many passes. On K200db
the paper reports 52.0 on K200db-val and 52.3 on ARAS-64.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe with adaptation before each test."""
    choice = common.parse(arg, form=("one_pass", "layer_by_layer"))
    config = common.slowonly(choice.train)
    config.method.name = "adabn"
    config.method.settings.form = choice.form
    # a view of each video of a batch shares statistics while they are found
    config.evaluation.batch_size = 64
    return config
