"""Where every data set is, what it is tested on and which web data belong to it."""

from collections.abc import Mapping
from typing import NamedTuple

# GoogleImg (GG) and InsVideo (IG) of OmniSource for the 200 classes, and for all 400.
_WEB_K200 = {"images": "googleimage/k200", "videos": "insvideo/k200"}
_WEB_K400 = {"images": "googleimage/k400", "videos": "insvideo/k400"}


class Data(NamedTuple):
    """A training set and what goes with it.

    Attributes:
        train: Its dataset/split.
        tests: The dataset/split of each test set.
        web: By medium, the dataset/split of its web data without `-unbias`, `-rand`...;
            empty if it has none.
        target: The test set that methods adapt to by default (Table 3).
        aspects: The aspects of SMAD by default.
    """

    train: str
    tests: Mapping[str, str]
    web: Mapping[str, str]
    target: str = "val"
    # The paper does not name the aspects of its headline rows.
    aspects: str = "scene+object"


# The editions of the embedded benchmark, and the names of their thirds of web data,
# whose pictures are too small for the last.
_WEB_EMBEDDED = {
    "embedded": "web",
    "embedded-lasting": "lasting",
    "embedded-milder": "milder",
    "embedded-large": "",
}
EMBEDDED = {
    edition: Data(
        f"{edition}/train",
        {name: f"{edition}/{name}" for name in ("iid", "tail", "rare")},
        dict.fromkeys(("images", "videos"), f"embedded-web/{web}") if web else {},
        target="tail",
    )
    for edition, web in _WEB_EMBEDDED.items()
}
KNOWN = {
    **EMBEDDED,
    "k200db": Data(
        "kinetics400/k200db-train",
        {
            "k200db-val": "kinetics400/k200db-val",
            "k200-val": "kinetics400/k200-val",
            "aras64": "aras/aras64",
        },
        _WEB_K200,
        target="k200db-val",
    ),
    "k200both": Data(
        "kinetics400/k200both-train",
        {"k200both-val": "kinetics400/k200both-val"},
        _WEB_K200,
        target="k200both-val",
    ),
    "minikinetics": Data(  # its classes are the 200 that OmniSource has web data of
        "kinetics400/mini-train", {"val": "kinetics400/mini-val"}, _WEB_K200
    ),
    "k400": Data(
        "kinetics400/train",
        {"k400-val": "kinetics400/val", "aras104": "aras/aras104"},
        _WEB_K400,
        target="k400-val",
    ),
}
DEFAULT = "embedded"


def find(name: str) -> Data:
    """Returns the data set called `name`; an unknown one is your own."""
    own = Data(
        f"{name}/train",
        {"val": f"{name}/val"},
        {medium: f"{name}-{medium}/web" for medium in ("images", "videos")},
        aspects="scene",  # own videos rarely have pseudo-labels of another aspect
    )
    return KNOWN.get(name, own)
