"""SlowOnly with SDN's scene adversary, a compared method of Table 3.

    python main.py --config configs/slowonly_sdn.py
    python main.py --config configs/slowonly_sdn.py:k200db

The scene half of SDN alone, in one stage from scratch: its confusion on clips with
the people painted out is not there yet. How the paper combined SDN with SlowOnly, and
whether its row has that half, is not public.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe with SDN's scene head."""
    config = common.slowonly(common.parse(arg).train)
    config.method.name = "sdn"
    config.method.aspects = ("scene",)
    config.method.settings.reversal = 0.5  # of SDN's last stage; 1.0 without masks
    config.method.settings.hidden = (512, 512, 512)
    return config
