"""ResNet3D-18 with SMAD, to be fine-tuned by transfer.py (Table 6).

    python main.py --config configs/resnet3d_smad.py
    python main.py --config configs/resnet3d_smad.py:minikinetics

Data and recipe are those of resnet3d_baseline.py, SMAD's numbers and keys those of
slowonly_smad.py. Paper, fine-tuned from the second: 57.2 on HMDB51, 84.7 on UCF101,
20.9 on Diving48 with its first labels.
"""

from ml_collections import ConfigDict

from configs import arguments, recipes, slowonly_smad, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the baseline's recipe with adversarial heads and SAAR."""
    choice = arguments.parse(arg, **arguments.SMAD)
    config = slowonly_smad.debias(recipes.resnet3d(choice), choice)
    return small.adjust(config)
