"""TSN without debiasing, the 2D baseline of Tables 1, 2, 9 and 15.

    python main.py --config configs/tsn_baseline.py
    python main.py --config configs/tsn_baseline.py:k200db

The first trains a small 2D network on the embedded benchmark. The second is
TSN-3seg-R50 on K200db, from ImageNet weights; paper: 55.8 on ARAS-64, 53.7 on
K200db-val, 76.2 on K200-val. Cost: 100 epochs on 8 GPUs.
"""

from ml_collections import ConfigDict

from configs import arguments, recipes, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the recipe of App. C; `arg` names the data."""
    return small.adjust(recipes.tsn(arguments.parse(arg)))
