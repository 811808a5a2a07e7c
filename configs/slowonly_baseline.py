"""SlowOnly without debiasing, the baseline of Tables 1 to 9.

    python main.py --config configs/slowonly_baseline.py
    python main.py --config configs/slowonly_baseline.py:k200db

The first trains a small network on the embedded benchmark, in a few minutes on two CPU
cores. The second is SlowOnly-8x8-R18 on K200db; paper: 51.0 on ARAS-64, 51.9 on
K200db-val, 75.1 on K200-val. Cost: 196 epochs on 8 GPUs.
"""

from ml_collections import ConfigDict

from configs import arguments, recipes, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the recipe of App. C; `arg` names the data."""
    return small.adjust(recipes.slowonly(arguments.parse(arg)))
