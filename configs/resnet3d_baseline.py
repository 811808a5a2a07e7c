"""ResNet3D-18 without debiasing, to be fine-tuned by transfer.py (Table 6).

    python main.py --config configs/resnet3d_baseline.py
    python main.py --config configs/resnet3d_baseline.py:minikinetics

The first is a small sibling on the embedded benchmark. The second is ResNet3D-18 on 16
frames of 112 pixels; `minikinetics` is the splits mini-train and mini-val of
kinetics400 (data_prep/README.md). The paper states neither how this network is
pre-trained nor its accuracy; the recipe is that of its SlowOnly.
"""

from ml_collections import ConfigDict

from configs import arguments, recipes, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns SlowOnly's recipe for ResNet3D-18; `arg` names the data."""
    return small.adjust(recipes.resnet3d(arguments.parse(arg)))
