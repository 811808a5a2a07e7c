"""SlowOnly with ALBAR (ICLR 2025), newer than the paper.

    python main.py --config configs/slowonly_albar.py
    python main.py --config configs/slowonly_albar.py:k200db

The weights are those of the authors, who fine-tune a Swin-T on HMDB51. Networks do not
train with them on the embedded benchmark, where tuning chose a tenth. Cost: a step is
four times the baseline's.
"""

from ml_collections import ConfigDict

from configs import arguments, recipes, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the baseline's recipe with three losses on clips that stand still."""
    config = recipes.slowonly(arguments.parse(arg))
    config.method.name = "albar"
    config.method.settings.still_weight = 1.0
    config.method.settings.entropy_weight = 4.25
    config.method.settings.gradient_weight = 10.0
    return small.adjust(config)
