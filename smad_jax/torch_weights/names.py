"""What each layout of PyTorch checkpoints calls our arrays.

One table a layout, read in both directions: a file is matched by the names that the
layout gives to the arrays of the model. Layouts are those of mmaction2 (`ConvModule`s),
torchvision and 3D-ResNets-PyTorch (Hara; SDN).
"""

import re
from collections.abc import Iterable

from smad_jax import errors

# The last part of our path and of their name, for batch norm and for the rest.
_NORM = {
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}
_PLAIN = {"kernel": "weight", "bias": "bias"}
# Steps that PyTorch's batch norm counts; it needs them only without a momentum.
COUNTER = "num_batches_tracked"

# Patterns of our module paths and their names; the first that fits counts.
_RESNET = (
    (r"backbone/(.+/)?(conv|bn)(\d)", r"\1\2\3"),
    (r"backbone/(.+/downsample)/conv", r"\1/0"),
    (r"backbone/(.+/downsample)/bn", r"\1/1"),
    (r"head", "fc"),
)
_TABLES = {
    "mmaction2": (
        (r"(backbone/(?:.+/)?)conv(\d)", r"\1conv\2/conv"),
        (r"(backbone/(?:.+/)?)bn(\d)", r"\1conv\2/bn"),
        (r"(backbone/.+/downsample/(?:conv|bn))", r"\1"),
        (r"head", "cls_head/fc_cls"),
    ),
    "torchvision": _RESNET,
    "hara": _RESNET,
    "densenet": (
        (r"backbone/(.+)", r"features/\1"),
        (r"head", "classifier"),
    ),
    # Before torchvision 0.2, and Places365: norm.1 instead of norm1.
    "old densenet": (
        (r"backbone/(.+/denselayer\d+/(?:norm|conv))(\d)", r"features/\1/\2"),
        (r"backbone/(.+)", r"features/\1"),
        (r"head", "classifier"),
    ),
    "efficientnet": (
        (r"backbone/blocks/(\d+)/(.+)", r"_blocks/\1/_\2"),
        (r"backbone/(.+)", r"_\1"),
        (r"head", "_fc"),
    ),
}
# The tables of each layout of the command line, newest first.
_RESNETS = {"mmaction2": ("mmaction2",), "torchvision": ("torchvision",)}
LAYOUTS = {
    "resnet18": _RESNETS,
    "resnet50": _RESNETS,
    "slowonly_r18": _RESNETS,
    "slowonly_r50": _RESNETS,
    "resnet3d_18": {"hara": ("hara",)},
    "densenet161": {"torchvision": ("densenet", "old densenet")},
    "efficientnet_lite0": {"efficientnet": ("efficientnet",)},
}
# Networks of clips that can start from a network of images, whose kernels are repeated
# over time and divided by the number of frames that they then span.
INFLATED = ("slowonly_r18", "slowonly_r50")
# Networks whose convolutions have no axis of time in a file.
IMAGES = ("resnet18", "resnet50", "densenet161", "efficientnet_lite0")


def tables(network: str, layout: str | None = None) -> tuple[str, ...]:
    """Returns the tables to try for a network, of one layout or all.

    Raises:
        ConfigError: if the network has no layout at all, or not this one.
    """
    if network not in LAYOUTS:
        raise errors.ConfigError(
            f"no checkpoints are known for {network!r}; for: {', '.join(LAYOUTS)}"
        )
    known = LAYOUTS[network]
    if layout is None:
        return tuple(table for tables in known.values() for table in tables)
    if layout not in known:
        raise errors.ConfigError(
            f"{network} has no layout {layout!r}; it has: {', '.join(known)}"
        )
    return known[layout]


def translate(paths: Iterable[str], table: str) -> dict[str, str]:
    """Returns their name for each of our paths that the table has.

    Args:
        paths: Such as `backbone/layer1/0/conv1/kernel`.
        table: Which of the tables.
    """
    paths = list(paths)
    norms = {_module(path) for path in paths if path.endswith("/mean")}
    names = {}
    for path in paths:
        module = _rename(_module(path), table)
        leaf = path.rpartition("/")[2]
        leaves = _NORM if _module(path) in norms else _PLAIN
        if module is not None and leaf in leaves:
            names[path] = f"{module}.{leaves[leaf]}"
    return names


def counters(names: dict[str, str]) -> list[str]:
    """Returns the counter of every batch norm among `translate`'s names."""
    tail = _NORM["mean"]
    return [
        name.removesuffix(tail) + COUNTER
        for name in names.values()
        if name.endswith(f".{tail}")
    ]


def _module(path: str) -> str:
    return path.rpartition("/")[0]


def _rename(module: str, table: str) -> str | None:
    for pattern, theirs in _TABLES[table]:
        match = re.fullmatch(pattern, module)
        if match:
            return match.expand(theirs).replace("/", ".")
    return None
