"""ResNet3D-18 fine-tuned from a finished run: the upper half of Table 6.

    python main.py --config configs/transfer.py
    python main.py --config configs/transfer.py:ucf101,split=3
    python main.py --config configs/transfer.py:ucf101,run=weights/sdn,saar=off

16 frames at 112 pixels, for comparison with SDN, whose numbers the paper copies. The
arguments are those of `finetune.py`, and so is the first command but for its network;
`run` has to name a run or weights of ResNet3D-18, by default
runs/resnet3d_smad-minikinetics, which resnet3d_smad.py makes.

Paper: HMDB51 53.6, with SMAD 57.2; UCF101 83.5 and 84.7; Diving48* 18.0 and 20.9. As in
SDN a video is tested on all windows that do not overlap. SDN's rate of 0.005 comes with
dampening 0.9, and so is 0.0005 here. Not as there: a cosine instead of waiting for a
plateau, all layers from the first step on, random crops instead of five corners.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns SDN's fine-tuning as far as it goes, from the weights of a run."""
    choice = common.parse_finetune(arg, run="runs/resnet3d_smad-minikinetics")
    config = common.finetune(common.resnet3d(choice.train), choice)
    if choice.train == common.EMBEDDED:
        return config
    config.model.dropout = 0.0
    config.model.ghost_size = 0
    config.data.batch_size = 32
    config.optimizer.base_batch_size = 32
    config.optimizer.weight_decay = 1e-5
    config.optimizer.learning_rate = 5e-4
    return config
