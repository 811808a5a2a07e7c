"""SlowOnly without debiasing, the baseline of Tables 1 to 9.

    python main.py --config configs/slowonly_baseline.py
    python main.py --config configs/slowonly_baseline.py:k200db

The first trains on the embedded benchmark, in a few minutes on two CPU cores
(docs/results/smad.md). The second is SlowOnly-8x8-R18 on K200db; the paper reports
51.0 on ARAS-64, 51.9 on K200db-val and 75.1 on K200-val.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the recipe as it stands; `arg` names the data."""
    return common.slowonly(common.parse(arg).train)
