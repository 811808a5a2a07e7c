"""ResNet3D-18 with SDN, to be fine-tuned by transfer.py (Table 6).

    python main.py --config configs/resnet3d_sdn.py
    python main.py --config configs/resnet3d_sdn.py:minikinetics,boxes=people.npz

Data and recipe are those of resnet3d_baseline.py, the other keys of the argument those
of slowonly_sdn.py. The row of Table 6 is copied from SDN's publication: 56.7 on HMDB51,
84.5 on UCF101 and 20.5 on Diving48 with its first labels.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe with SDN's scene head and masked clips."""
    choice = common.parse_sdn(arg)
    return common.sdn(common.resnet3d(choice.train), choice)
