"""TSN with SMAD: adversarial heads and actionness reweighting (Table 2).

    python main.py --config configs/tsn_smad.py
    python main.py --config configs/tsn_smad.py:k200db

Data and recipe are those of tsn_baseline.py, SMAD's numbers and keys those of
slowonly_smad.py. Paper: 60.3 on ARAS-64, 55.7 on K200db-val, 75.5 on K200-val.
"""

from ml_collections import ConfigDict

from configs import arguments, recipes, slowonly_smad, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the baseline's recipe with adversarial heads and SAAR."""
    choice = arguments.parse(arg, **arguments.SMAD)
    config = slowonly_smad.debias(recipes.tsn(choice), choice)
    return small.adjust(config)
