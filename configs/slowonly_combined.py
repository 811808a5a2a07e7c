"""SlowOnly with SMAD and OmniDebias together: the combination of Table 2.

    python main.py --config configs/slowonly_combined.py
    python main.py --config configs/slowonly_combined.py:k200db

The first is on the embedded benchmark, the second on K200db; paper: 71.6 on ARAS-64,
62.7 on K200db-val, 78.4 on K200-val. The adversaries also learn from the web batches
that have labels. Numbers, keys and cost are those of slowonly_smad.py and of
slowonly_omnidebias.py together.
"""

from ml_collections import ConfigDict

from configs import arguments, recipes, slowonly_omnidebias, slowonly_smad, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the recipe of joint training with SMAD's heads and SAAR."""
    choice = slowonly_omnidebias.parse(arg, "images+videos", **arguments.SMAD)
    config = slowonly_omnidebias.join_web(recipes.slowonly(choice), choice)
    return small.adjust(slowonly_smad.debias(config, choice))
