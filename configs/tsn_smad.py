"""TSN with SMAD: adversarial heads and actionness reweighting (Table 2).

    python main.py --config configs/tsn_smad.py
    python main.py --config configs/tsn_smad.py:k200db

The first trains a small 2D network on the embedded benchmark. The second is
TSN-3seg-R50 on K200db; the paper, which starts from ImageNet weights, reports
60.3 on ARAS-64, 55.7 on K200db-val and 75.5 on K200-val. The further keys are
those of slowonly_smad.py.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe with SMAD switched on."""
    choice = common.parse_smad(arg)
    return common.smad(common.tsn(choice.train), choice)
