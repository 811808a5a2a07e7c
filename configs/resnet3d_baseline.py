"""ResNet3D-18 without debiasing, to be fine-tuned by transfer.py (Table 6).

    python main.py --config configs/resnet3d_baseline.py
    python main.py --config configs/resnet3d_baseline.py:minikinetics

The first is a small sibling on the embedded benchmark. The second is ResNet3D-18 on 16
frames of 112 pixels; `minikinetics` is the splits mini-train and mini-val of
kinetics400, which data_prep/README.md makes. The paper does not say how this network is
pre-trained, nor how accurate it is; the recipe here is that of its SlowOnly.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the recipe as it stands; `arg` names the data."""
    return common.resnet3d(common.parse(arg).train)
