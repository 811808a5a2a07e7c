"""SlowOnly with ALBAR (ICLR 2025), newer than the paper.

    python main.py --config configs/slowonly_albar.py
    python main.py --config configs/slowonly_albar.py:k200db

The weights are those of the authors, who fine-tune a Swin-T on HMDB51; on the embedded
benchmark, where those do not train, tuning chose a tenth. A step costs four times that
of the baseline.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe with three terms on clips that stand still."""
    config = common.slowonly(common.parse(arg).train)
    config.method.name = "albar"
    config.method.settings.still_weight = 1.0
    config.method.settings.entropy_weight = 4.25
    config.method.settings.gradient_weight = 10.0
    return common.tuned(
        config, still_weight=0.1, entropy_weight=0.425, gradient_weight=1.0
    )
