"""ResNet3D-18 fine-tuned from a finished run: the upper half of Table 6.

    python main.py --config configs/transfer.py
    python main.py --config configs/transfer.py:ucf101,split=3
    python main.py --config configs/transfer.py:ucf101,run=weights/sdn,saar=off

16 frames at 112 pixels, for comparison with SDN, whose numbers the paper copies. Keys
and data are those of finetune.py; `run` is a run or weights of ResNet3D-18, by default
runs/resnet3d_smad-minikinetics, which resnet3d_smad.py trains.

Paper: HMDB51 53.6, with SMAD 57.2; UCF101 83.5 and 84.7; Diving48* 18.0 and 20.9. A
video is tested on all windows that do not overlap, as in SDN. Unlike there, the rate
follows a cosine and does not wait for a plateau, all layers train from the first step,
and crops are random, not of five corners.
"""

from ml_collections import ConfigDict

from configs import arguments, finetune, recipes, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns SDN's fine-tuning, but for the above, from the weights of a run."""
    choice = arguments.parse(arg, **finetune.ARGUMENTS)
    config = finetune.start_from_run(recipes.resnet3d(choice), choice)
    config.init.folder = "runs/resnet3d_smad-minikinetics"
    config.model.dropout = 0.0
    config.model.ghost_size = 0
    config.data.batch_size = 32
    config.optimizer.base_batch_size = 32
    config.optimizer.weight_decay = 1e-5
    config.optimizer.learning_rate = 5e-4  # SDN's 0.005 comes with dampening of 0.9
    config = small.adjust(config, tuned="transfer")
    config.init.folder = choice.run or config.init.folder
    return config
