r"""SlowOnly with StillMix (ICCV 2023), newer than the paper.

    python main.py --config configs/slowonly_still_mix.py
    python main.py --config configs/slowonly_still_mix.py:k200db
    python main.py --config configs/slowonly_still_mix.py:k200db,bank=stills

Lays a still frame of another clip over half of the clips. The first two take the frames
from the batch, with the values of the authors' code for that. The third takes them from
a bank, the training videos of the split `stills`, with the values for Kinetics-400:

    python -m data_prep.still_bank --dataset kinetics400 --split k200db-train \
        --teacher runs/tsn_baseline-k200db --keep 0.5 --name stills
"""

from ml_collections import ConfigDict

from configs import arguments, recipes, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the baseline's recipe with still frames over half of the clips."""
    choice = arguments.parse(arg, bank=())
    config = recipes.slowonly(choice)
    config.method.name = "still_mix"
    config.method.settings.probability = 0.5
    config.method.settings.clip_shape = 200.0  # lambda is close to a half
    config.method.settings.frame_shape = 200.0
    if choice.bank:
        config.method.name = "still_mix_bank"
        config.method.settings.probability = 0.25
        config.method.settings.clip_shape = 20.0  # a clip weighs a quarter
        config.method.settings.frame_shape = 60.0
        config.data.target = f"{config.data.train.rpartition('/')[0]}/{choice.bank}"
    return small.adjust(config)
