"""SlowOnly with SMAD: adversarial heads and actionness reweighting (Tables 2-8, 13).

    python main.py --config configs/slowonly_smad.py
    python main.py --config configs/slowonly_smad.py:k200db
    python main.py --config configs/slowonly_smad.py:k200db,aspects=scene,saar=off

The first trains on the embedded benchmark, in a few minutes on two CPU cores
(docs/results/smad.md). The second is SlowOnly-8x8-R18 on K200db; the paper reports
58.4 on ARAS-64, 55.0 on K200db-val and 74.6 on K200-val.

Further keys: aspects=none with saar=on is SAAR alone, saar=off adversarial
training alone (Table 7); weights=each does not divide the weight of an adversary by
the number of aspects (Table 8 divides); loss=soft_ce or loss=kl is one loss alone
(Table 13); labels=shuffled the control whose pseudo-labels are dealt out at random.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe with SMAD switched on."""
    choice = common.parse_smad(arg)
    return common.smad(common.slowonly(choice.train), choice)
