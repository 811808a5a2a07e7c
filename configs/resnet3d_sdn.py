"""ResNet3D-18 with SDN, to be fine-tuned by transfer.py (Table 6).

    python main.py --config configs/resnet3d_sdn.py
    python main.py --config configs/resnet3d_sdn.py:minikinetics,boxes=people.npz

Data and recipe are those of resnet3d_baseline.py, SDN's numbers and keys those of
slowonly_sdn.py. The paper copies its row from SDN's publication: 56.7 on HMDB51, 84.5
on UCF101, 20.5 on Diving48 with its first labels.
"""

from ml_collections import ConfigDict

from configs import recipes, slowonly_sdn, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the baseline's recipe with SDN's scene head and masked clips."""
    choice = slowonly_sdn.parse(arg)
    config = slowonly_sdn.debias(recipes.resnet3d(choice), choice)
    return small.adjust(config, tuned="")  # only SlowOnly's SDN was tuned
