"""SlowOnly with SMAD: adversarial heads and actionness reweighting (Tables 2-8, 13).

    python main.py --config configs/slowonly_smad.py
    python main.py --config configs/slowonly_smad.py:k200db
    python main.py --config configs/slowonly_smad.py:k200db,aspects=scene,saar=off

The first trains on the embedded benchmark, in a few minutes on two CPU cores. The
second is SlowOnly-8x8-R18 on K200db; paper: 58.4 on ARAS-64, 55.0 on K200db-val, 74.6
on K200-val. Cost: a fifth above the baseline's on the embedded benchmark.

Keys: `aspects=none` is SAAR alone, `saar=off` adversarial training alone (Table 7);
`weights=each` does not divide the weight by the number of aspects (Table 8 does);
`loss=soft_ce` or `loss=kl` is one loss alone (Table 13); `labels=shuffled` permutes the
pseudo-labels among videos, a control.
"""

from ml_collections import ConfigDict

from configs import arguments, recipes, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the baseline's recipe with adversarial heads and SAAR."""
    choice = arguments.parse(arg, **arguments.SMAD)
    config = debias(recipes.slowonly(choice), choice)
    return small.adjust(config)


def debias(config: ConfigDict, choice: ConfigDict) -> ConfigDict:
    """Adds SMAD to a recipe."""
    config.model.saar = choice.saar == "on"  # Sec. 5.1
    if choice.aspects == "none":
        return config
    config.method.name = "smad"
    config.method.aspects = tuple(choice.aspects.split("+"))
    settings = config.method.settings
    settings.soft_ce_weight = 0.0 if choice.loss == "kl" else 0.5  # Sec. 6.1
    settings.kl_weight = 0.0 if choice.loss == "soft_ce" else 0.5  # Sec. 6.1
    settings.tags_weight = 5.0  # Sec. 6.1
    settings.kl_reduction = "batchmean"  # Eq. 4; `mean` is PyTorch's default
    settings.weights = choice.weights  # Sec. 6.3
    config.data.aspect_labels = choice.labels
    return config
