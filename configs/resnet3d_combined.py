"""ResNet3D-18 with SMAD and OmniDebias, to be fine-tuned by transfer.py (Table 6).

    python main.py --config configs/resnet3d_combined.py
    python main.py --config configs/resnet3d_combined.py:minikinetics,media=videos

Data and recipe are those of resnet3d_baseline.py, numbers and keys those of
slowonly_combined.py. Paper, fine-tuned from the second: 61.2 on HMDB51, 88.2 on UCF101,
22.6 on Diving48 with its first labels.
"""

from ml_collections import ConfigDict

from configs import arguments, recipes, slowonly_omnidebias, slowonly_smad, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the recipe of joint training with SMAD's heads and SAAR."""
    choice = slowonly_omnidebias.parse(arg, "images+videos", **arguments.SMAD)
    config = slowonly_omnidebias.join_web(recipes.resnet3d(choice), choice)
    return small.adjust(slowonly_smad.debias(config, choice))
