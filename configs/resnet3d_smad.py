"""ResNet3D-18 with SMAD, to be fine-tuned by transfer.py (Table 6).

    python main.py --config configs/resnet3d_smad.py
    python main.py --config configs/resnet3d_smad.py:minikinetics

Data and recipe are those of resnet3d_baseline.py, the other keys of the argument those
of slowonly_smad.py. Fine-tuned from the second, the paper has 57.2 on HMDB51, 84.7 on
UCF101 and 20.9 on Diving48 with its first labels.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe with SMAD switched on."""
    choice = common.parse_smad(arg)
    return common.smad(common.resnet3d(choice.train), choice)
