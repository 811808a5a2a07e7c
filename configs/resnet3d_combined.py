"""ResNet3D-18 with SMAD and OmniDebias, to be fine-tuned by transfer.py (Table 6).

    python main.py --config configs/resnet3d_combined.py
    python main.py --config configs/resnet3d_combined.py:minikinetics,media=videos

Data and recipe are those of resnet3d_baseline.py, the other keys of the argument those
of slowonly_combined.py. The web data of the second are the 200 classes of OmniSource,
which name MiniKinetics' classes; fine-tuned from it, the paper has 61.2 on HMDB51, 88.2
on UCF101 and 22.6 on Diving48 with its first labels.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the recipe of joint training with SMAD's heads and SAAR."""
    choice = common.parse_combined(arg, media="images+videos")
    return common.smad(common.omnidebias(common.resnet3d(choice.train), choice), choice)
