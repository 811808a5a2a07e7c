"""TSN with OmniDebias: joint training with the unbiased third of web images.

    python main.py --config configs/tsn_omnidebias.py
    python main.py --config configs/tsn_omnidebias.py:k200db
    python main.py --config configs/tsn_omnidebias.py:k200db,web=rand

The first is on the embedded benchmark, with its images and clips; every row of Table 9
has the same number of optimiser steps there, by fewer epochs of the training set.

The second trains on K200db with the unbiased third of GoogleImg (GG); the paper, which
starts from ImageNet weights, reports 68.3 on ARAS-64, 60.0 on K200db-val and 77.4 on
K200-val. The third is the row GG-rand of Table 9: 64.1, 57.5 and 77.2. An image is one
segment. The further keys are those of slowonly_omnidebias.py.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe with web images beside the training set."""
    choice = common.parse_omnidebias(arg, media="images")
    return common.omnidebias(common.tsn(choice.train), choice)
