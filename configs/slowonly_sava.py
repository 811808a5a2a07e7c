"""SlowOnly with SAVA, a compared method of Table 3.

    python main.py --config configs/slowonly_sava.py
    python main.py --config configs/slowonly_sava.py:k200db,target=aras64

DANN on whole videos: several clips of a video are weighted by an attention, and their
order is predicted. There is no public code; smad_jax/methods/sava.py is our reading of
the abstract. Targets are those of slowonly_dann.py. Paper: 53.4 on K200db-val, 54.0 on
ARAS-64. Cost: a step is three times DANN's.

On the embedded benchmark, whose videos have four frames, the network sees two clips of
two frames in training and at test, and so half the motion of the other rows.
"""

from ml_collections import ConfigDict

from configs import arguments, recipes, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the baseline's recipe with a target, several clips and their losses."""
    choice = arguments.parse(arg, target=())
    config = recipes.adapting(choice)
    config.data.sampling.train_clips = 3
    config.model.ghost_size *= 3  # statistics over all clips of a GPU
    config.method.name = "sava"
    config.method.ramp = "dann"  # Ganin et al., gamma 10
    config.method.settings.num_clips = 3
    config.method.settings.weight = 1.0
    config.method.settings.order_weight = 1.0
    config.method.settings.attention_weight = 0.1
    config.method.settings.hidden = (1024, 1024)  # as DANN's
    config.method.settings.passes = "joint"  # or `separate`
    return small.adjust(config)
