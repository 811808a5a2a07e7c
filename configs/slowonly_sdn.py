"""SlowOnly with SDN, a compared method of Table 3.

    python main.py --config configs/slowonly_sdn.py
    python main.py --config configs/slowonly_sdn.py:k200db,boxes=people.npz
    python main.py --config configs/slowonly_sdn.py:k200db,mode=scene_only

In the first people are found by motion and colour, in the second by a detector whose
boxes the file holds (smad_jax/data/people.py has its form). Without people, a clip
shall tell nothing of its action: an update of its own after each on whole clips, or
with turns=joint one on both. mode=scene_only is the scene adversary alone.

One stage from scratch, as for every row of the table; the authors train three, from
weights of actions alone. How the paper combined SDN with SlowOnly, and whether its
row has the masked clips, is not public. It reports 54.0 on K200db-val and 55.3 on
ARAS-64. With turns=alternate a step is two updates, and costs twice the baseline's.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe with SDN's scene head and masked clips."""
    choice = common.parse_sdn(arg)
    config = common.sdn(common.slowonly(choice.train), choice)
    chosen = {"reversal": 0.1}
    if choice.mode == "paper":
        chosen["confusion_weight"] = 0.1
    return common.tuned(config, ramp="dann", **chosen)
