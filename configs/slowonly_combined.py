"""SlowOnly with SMAD and OmniDebias together: the combination of Table 2.

    python main.py --config configs/slowonly_combined.py
    python main.py --config configs/slowonly_combined.py:k200db

The first is on the embedded benchmark, the second on K200db, where the paper reports
71.6 on ARAS-64, 62.7 on K200db-val and 78.4 on K200-val. The adversaries learn from web
batches too where these have labels. The keys are those of slowonly_smad.py and of
slowonly_omnidebias.py together.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the recipe of joint training with SMAD's heads and SAAR."""
    choice = common.parse_combined(arg, media="images+videos")
    return common.smad(common.omnidebias(common.slowonly(choice.train), choice), choice)
