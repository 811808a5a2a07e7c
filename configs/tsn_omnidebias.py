"""TSN with OmniDebias: joint training with the unbiased third of web images.

    python main.py --config configs/tsn_omnidebias.py
    python main.py --config configs/tsn_omnidebias.py:k200db
    python main.py --config configs/tsn_omnidebias.py:k200db,web=rand

The first is on the embedded benchmark, with its images and clips. The second trains on
K200db with the unbiased third of GoogleImg (GG); paper: 68.3 on ARAS-64, 60.0 on
K200db-val, 77.4 on K200-val. The third is the row GG-rand of Table 9: 64.1, 57.5 and
77.2. Keys and cost are those of slowonly_omnidebias.py.
"""

from ml_collections import ConfigDict

from configs import recipes, slowonly_omnidebias, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the baseline's recipe with web images beside the training set."""
    choice = slowonly_omnidebias.parse(arg, "images")
    config = join_web(recipes.tsn(choice), choice)
    return small.adjust(config)


def join_web(config: ConfigDict, choice: ConfigDict) -> ConfigDict:
    """Adds web streams as for SlowOnly, with an image as a single segment."""
    config = slowonly_omnidebias.join_web(config, choice)
    if "images" in config.data.web:
        config.data.web.images.batch_size = recipes.GPUS * 64  # OmniSource
        config.data.web.images.num_frames = 1
    return config
