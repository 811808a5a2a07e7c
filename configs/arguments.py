"""Reads what follows the colon of `--config FILE.py:ARGUMENT`.

The argument is the name of a data set, then `key=value` pairs, all optional and with
commas between: `k200db`, `k200db,saar=off`, `mine,size=tiny`. The first possible value
of a key is its default; that of `aspects` depends on the data. Every config has the key
`size`: `paper` for the paper's recipe, `tiny` for one that a laptop trains (tiny.py).
"""

import difflib

from ml_collections import ConfigDict

from configs import data

SMAD: dict[str, tuple[str, ...]] = {
    "aspects": (),
    "saar": ("on", "off"),
    "loss": ("both", "soft_ce", "kl"),
    "labels": ("given", "shuffled"),
    "weights": ("divided", "each"),
}
_SIZES = ("paper", "tiny")


def parse(arg: str, **known: tuple[str, ...]) -> ConfigDict:
    """Returns the choices of an argument, with `train`, the data, among them.

    Args:
        arg: What follows the colon.
        **known: The possible values of each key, the default first; an empty tuple
            for any value.

    Raises:
        ValueError: for an unknown key or value, with the known ones.
    """
    choice, known = {"train": data.DEFAULT}, {"size": _SIZES, **known}
    choice |= {key: values[0] if values else "" for key, values in known.items()}
    for part in filter(None, arg.split(",")):
        key, _, value = part.rpartition("=")
        key = key or "train"
        if key not in choice:
            near = difflib.get_close_matches(key, choice, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"unknown key {key!r} in the config's argument {arg!r}; {hint}"
                f"known: {', '.join(sorted(choice))}"
            )
        if known.get(key) and value not in known[key]:
            raise ValueError(
                f"unknown {key}={value!r} in the config's argument {arg!r}; "
                f"known: {', '.join(known[key])}"
            )
        choice[key] = value
    if "aspects" in choice:
        choice["aspects"] = choice["aspects"] or data.find(choice["train"]).aspects
    return ConfigDict(choice)
