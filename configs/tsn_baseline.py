"""TSN without debiasing, the 2D baseline of Tables 1, 2, 9 and 15.

    python main.py --config configs/tsn_baseline.py
    python main.py --config configs/tsn_baseline.py:k200db

The first trains a small 2D network on the embedded benchmark. The second is
TSN-3seg-R50 on K200db; the paper, which starts from ImageNet weights, reports
55.8 on ARAS-64, 53.7 on K200db-val and 76.2 on K200-val.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the recipe as it stands; `arg` names the data."""
    return common.tsn(common.parse(arg).train)
