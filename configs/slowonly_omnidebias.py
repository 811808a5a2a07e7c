"""SlowOnly with OmniDebias: joint training with the unbiased third of web media.

    python main.py --config configs/slowonly_omnidebias.py:k200db
    python main.py --config configs/slowonly_omnidebias.py:k200db,media=videos,web=all

The first trains on K200db with web images and videos (GG and IG); the paper reports
69.2 on ARAS-64, 60.7 on K200db-val and 78.7 on K200-val (Tables 2 and 14). The second
is the row IG-all of Table 9: 63.4, 58.5 and 78.3.

web=unbias, bias, mid, rand or all is the part of the web data, media=images, videos or
images+videos which. Each batch is an update of its own, so an epoch has three
times as many of them as the baseline's. For your own data set `mine` the web data are
the data sets `mine-images` and `mine-videos`.
"""

import ml_collections

from configs import common


def get_config(arg: str = "") -> ml_collections.ConfigDict:
    """Returns the baseline's recipe with web streams beside the training set."""
    choice = common.parse_omnidebias(arg, media="images+videos")
    return common.omnidebias(common.slowonly(choice.train), choice)
