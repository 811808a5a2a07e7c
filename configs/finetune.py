"""SlowOnly fine-tuned from a finished run: the lower half of Table 6.

    python main.py --config configs/finetune.py
    python main.py --config configs/finetune.py:ucf101,split=2
    python main.py --config configs/finetune.py:diving48,labels=v1
    python main.py --config configs/finetune.py:hmdb51,run=runs/other,saar=off

The first takes what `slowonly_smad.py` learnt on one draw of the embedded benchmark to
another. The others are SlowOnly-8x8-R18 from K200db; `run` is the run to start from,
by default runs/slowonly_smad-k200db, and `saar=off` is for runs without SAAR. Data sets
are `ucf101`, `hmdb51` (splits train1 and val1 to train3 and val3 of each) and
`diving48` (splits v2-train and v2-val; with `labels=v1` train and val, the old labels,
Diving48* in the paper); any other name is a data set of your own. data_prep/README.md
makes them.

Paper, mean of three splits for the first two: HMDB51 62.6, with SMAD 64.0; UCF101 89.6
and 90.4; Diving48* 25.5 and 26.7; Diving48 53.9 and 55.7. It does not state the recipe:
rate 0.01 for 128 videos, cosine, 50 epochs are choices.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe, made short, from the weights of a run."""
    choice = common.parse_finetune(arg, run="runs/slowonly_smad-k200db")
    return common.finetune(common.slowonly(choice.train), choice)
