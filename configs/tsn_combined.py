"""TSN with SMAD and OmniDebias together: the combination of Table 2.

    python main.py --config configs/tsn_combined.py
    python main.py --config configs/tsn_combined.py:k200db

The first is on the embedded benchmark, the second on K200db; paper: 70.9 on ARAS-64,
62.0 on K200db-val, 78.1 on K200-val. The adversaries also learn from the web batches
that have labels. Numbers, keys and cost are those of slowonly_smad.py and of
tsn_omnidebias.py together.
"""

from ml_collections import ConfigDict

from configs import (
    arguments,
    recipes,
    slowonly_omnidebias,
    slowonly_smad,
    small,
    tsn_omnidebias,
)


def get_config(arg: str = "") -> ConfigDict:
    """Returns the recipe of joint training with SMAD's heads and SAAR."""
    choice = slowonly_omnidebias.parse(arg, "images", **arguments.SMAD)
    config = tsn_omnidebias.join_web(recipes.tsn(choice), choice)
    return small.adjust(slowonly_smad.debias(config, choice))
