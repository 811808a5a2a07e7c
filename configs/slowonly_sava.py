"""SlowOnly with SAVA, a compared method of Table 3.

    python main.py --config configs/slowonly_sava.py
    python main.py --config configs/slowonly_sava.py:k200db,target=aras64

Like DANN, with several clips a video: their order is to be told, an attention weighs
them, and the discriminator sees whole videos. The second takes three clips of 8 frames
of each of the 128 videos and as many of ARAS-64, so a step is three times DANN's. The
paper reports 53.4 on K200db-val and 54.0 on ARAS-64.

There is no public code; smad_jax/methods/sava.py is our reading of the abstract. The
videos of the embedded benchmark have four frames: its network sees two clips of two
frames there, in training and at test, and so half as much motion as in the other rows.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe with a target, several clips and their losses."""
    config = common.adapting(arg)
    clips = 3
    if config.data.train == f"{common.EMBEDDED}/train":
        clips = 2
        config.data.sampling.num_frames = 2
        config.data.sampling.test_views = 2
    config.data.sampling.train_clips = clips
    config.model.ghost_size *= clips  # statistics over all clips of a device
    config.method.name = "sava"
    config.method.ramp = "dann"  # Ganin et al., gamma 10
    config.method.settings.num_clips = clips
    config.method.settings.weight = 1.0
    config.method.settings.order_weight = 1.0
    config.method.settings.attention_weight = 0.1
    config.method.settings.hidden = (1024, 1024)
    config.method.settings.passes = "joint"  # or `separate`
    return common.tuned(config)
