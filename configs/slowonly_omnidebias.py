"""SlowOnly with OmniDebias: joint training with the unbiased third of web media.

    python main.py --config configs/slowonly_omnidebias.py
    python main.py --config configs/slowonly_omnidebias.py:k200db
    python main.py --config configs/slowonly_omnidebias.py:k200db,media=videos,web=all

The first is on the embedded benchmark. It creates the web data, which takes a minute
once, then stops and prints the commands that filter and divide them. Every row of Table
9 has the same number of optimiser steps there: the baseline, web=none, has 12 epochs; a
row with web data has 9, and a web step after every third step.

The second trains on K200db with web images and videos (GG and IG); paper: 69.2 on
ARAS-64, 60.7 on K200db-val, 78.7 on K200-val (Tables 2 and 14). The third is the row
IG-all of Table 9: 63.4, 58.5 and 78.3. Cost: every web batch is an update on top of the
baseline's, as in OmniSource; with both media an epoch has three times as many updates.

Keys: `web=unbias`, `bias`, `mid`, `rand`, `all` or `none` is the part of the web data,
`media=images`, `videos` or `images+videos` their kind. The web data of your own data
set `mine` are the data sets `mine-images` and `mine-videos`.
"""

from ml_collections import ConfigDict

from configs import arguments, base, data, recipes, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the baseline's recipe with web streams beside the training set."""
    choice = parse(arg, "images+videos")
    config = join_web(recipes.slowonly(choice), choice)
    return small.adjust(config)


def parse(arg: str, media: str, **further: tuple[str, ...]) -> ConfigDict:
    """Reads the argument of a config of joint training.

    Args:
        arg: What follows the colon.
        media: The default web media.
        **further: More keys, as of `arguments.parse`.

    Raises:
        ValueError: as `arguments.parse`, or if the data's web media cannot be chosen.
    """
    all_media = dict.fromkeys((media, "images", "videos", "images+videos"))
    parts = ("unbias", "bias", "mid", "rand", "all", "none")
    choice = arguments.parse(arg, web=parts, media=tuple(all_media), **further)
    web = data.find(choice.train).web
    if not web:
        raise ValueError(f"no web data belong to {choice.train!r}")
    if "media=" in arg and web["images"] == web["videos"]:
        raise ValueError(
            f"the web data of {choice.train!r} are one set of images and clips; leave "
            f"media= out of the config's argument {arg!r}"
        )
    return choice


def join_web(config: ConfigDict, choice: ConfigDict) -> ConfigDict:
    """Adds web streams to a recipe (Sec. 5.2).

    The paper gives neither batch sizes nor the ratio of batches. A web batch is as
    large as one of the training set, and one of every stream follows each of these.
    This is OmniSource's default; its config of three web sources waits for two.
    """
    for medium in choice.media.split("+") if choice.web != "none" else ():
        stream = base.web_stream()
        stream.split = f"{data.find(choice.train).web[medium]}-{choice.web}"
        stream.batch_size = config.data.batch_size
        stream.class_power = 0.5 if medium == "videos" else 1.0  # OmniSource
        config.data.web[medium] = stream
    return config
