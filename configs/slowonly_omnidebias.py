"""SlowOnly with OmniDebias: joint training with the unbiased third of web media.

    python main.py --config configs/slowonly_omnidebias.py
    python main.py --config configs/slowonly_omnidebias.py:k200db
    python main.py --config configs/slowonly_omnidebias.py:k200db,media=videos,web=all

The first is on the embedded benchmark. It makes the web data, which takes a minute
once, and says by which commands a finished baseline filters and how they are divided.
Every row of Table 9 has the same number of optimiser steps there: web=none is the
baseline, 12 epochs; with web data it is 9, and a web step follows every third step.

The second trains on K200db with web images and videos (GG and IG); the paper reports
69.2 on ARAS-64, 60.7 on K200db-val and 78.7 on K200-val (Tables 2 and 14). The third
is the row IG-all of Table 9: 63.4, 58.5 and 78.3. There each batch is an update
of its own on top of the baseline's, as in OmniSource, so an epoch has three times as
many of them with both media.

web=unbias, bias, mid, rand, all or none is the part of the web data, media=images,
videos or images+videos which. For your own data set `mine` the web data are the data
sets `mine-images` and `mine-videos`.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe with web streams beside the training set."""
    choice = common.parse_omnidebias(arg, media="images+videos")
    return common.omnidebias(common.slowonly(choice.train), choice)
