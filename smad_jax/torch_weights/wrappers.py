"""Takes off the names and entries that trainers wrap a network's state dict in.

Lightning writes `model.conv1`, mmpretrain `backbone.conv1` and `head.fc`, MoCo
`module.encoder_q.conv1`, FSDP and `torch.compile` a part of their own anywhere in a
name. What is taken off, chosen or left out is noted, and never guessed between two
networks that fit equally.
"""

import collections
import re
from collections.abc import Collection, Mapping
from typing import NamedTuple, TypeVar

import numpy as np

from smad_jax import errors

T = TypeVar("T")

# Parts that a wrapper puts in anywhere in a name.
_INSIDE = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
# What trainers call a classifier that stands outside the network's own prefix.
_HEADS = ("head.fc", "head", "classifier", "cls_head.fc_cls", "fc", "last_linear")
_LEAST_FIT = 0.5  # share of a network's names that a prefix must explain
# Entries of a file that hold averaged weights, which evaluate better, then others.
_AVERAGED = ("state_dict_ema", "model_ema", "ema_state_dict", "ema")
_USUAL = ("state_dict", "model_state_dict", "model_state", "model")


class Unwrapped(NamedTuple):
    """Tensors under a network's own names, and a note on every change."""

    tensors: dict[str, np.ndarray]
    notes: tuple[str, ...]


def choose_entry(content: Mapping[str, object], kind: type[T]) -> tuple[str, str]:
    """Returns the key of the entry with the state dict, empty for the file itself.

    Args:
        content: Of a file.
        kind: The class of a tensor in it.

    Returns:
        The key, and what to note about the choice, perhaps nothing.

    Raises:
        DataError: if several unknown entries could be meant.
    """
    found = [key for key, value in content.items() if _holds_tensors(value, kind)]
    averaged = [key for key in _AVERAGED if key in found]
    if averaged:
        raw = ", ".join(key for key in found if key != averaged[0])
        note = f"the averaged weights of {averaged[0]!r} are read"
        return averaged[0], note + (f", {raw} is left out" if raw else "")
    for key in _USUAL:
        if isinstance(content.get(key), dict):
            return key, ""
    if any(isinstance(value, kind) for value in content.values()) or not found:
        return "", ""
    if len(found) > 1:
        raise errors.DataError(
            f"holds several sets of tensors, {', '.join(found)}; save the one that is "
            "wanted under the key 'state_dict'"
        )
    return found[0], f"the entry {found[0]!r} is read"


def _holds_tensors(value: object, kind: type) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(key, str) for key in value)
        and sum(isinstance(part, kind) for part in value.values()) * 2 > len(value)
    )


def unwrap(
    tensors: Mapping[str, np.ndarray], wanted: Collection[str], head: str
) -> Unwrapped:
    """Returns the tensors under the names that a network expects, if a prefix fits.

    Args:
        tensors: By the names of a file.
        wanted: The names that the network's layout gives.
        head: Module of the classifier among them, such as `fc`.

    Raises:
        DataError: if two prefixes fit equally, or two names become the same.
    """
    inner, notes = _without_inner(tensors)
    prefix = _prefix(inner, wanted)
    named = {
        name.removeprefix(prefix): tensor
        for name, tensor in inner.items()
        if name.startswith(prefix)
    }
    outside = {name: t for name, t in inner.items() if not name.startswith(prefix)}
    if prefix:
        notes.append(f"{prefix!r} is taken off the names")
        moved = _head(outside, named, head)
        named |= {f"{head}.{leaf}": outside.pop(name) for leaf, name in moved.items()}
        if moved:
            module = moved["weight"].rpartition(".")[0]
            notes.append(f"{module!r} is the classifier")
        groups = collections.Counter(name.rpartition(".")[0] for name in outside)
        if outside:
            shown = ", ".join(filter(None, list(groups)[:3])) or ", ".join(outside)
            notes.append(f"left out beside them: {len(outside)} of {shown}")
    return Unwrapped(named, tuple(notes))


def _without_inner(
    tensors: Mapping[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The tensors without the parts that wrappers put inside of names."""
    pattern = re.compile(rf"(?<![^.])({'|'.join(_INSIDE)})\.")
    renamed: dict[str, np.ndarray] = {}
    found: set[str] = set()
    for name, tensor in tensors.items():
        found.update(pattern.findall(name))
        plain = pattern.sub("", name)
        if plain in renamed:
            raise errors.DataError(f"{name!r} and {plain!r} are the same tensor twice")
        renamed[plain] = tensor
    return renamed, [f"{part!r} is taken out of the names" for part in sorted(found)]


def _prefix(names: Collection[str], wanted: Collection[str]) -> str:
    """What stands before the most of the wanted names; empty if too few are there."""
    known = set(wanted)
    counts: collections.Counter[str] = collections.Counter()
    for name in names:
        place = 0
        while True:
            if name[place:] in known:
                counts[name[:place]] += 1
            dot = name.find(".", place)
            if dot < 0:
                break
            place = dot + 1
    if not counts:
        return ""
    most = max(counts.values())
    best = sorted(prefix for prefix, count in counts.items() if count == most)
    if most < _LEAST_FIT * len(known) or "" in best:
        return ""
    if len(best) > 1:
        raise errors.DataError(
            f"holds {len(best)} networks that fit, under {', '.join(map(repr, best))}; "
            "save the state dict of the one that is wanted"
        )
    return best[0]


def _head(
    outside: Mapping[str, np.ndarray], named: Mapping[str, np.ndarray], head: str
) -> dict[str, str]:
    """Names of the classifier's weight and bias, if they stand beside the prefix."""
    if f"{head}.weight" in named:
        return {}
    for module in _HEADS:
        found = {leaf: f"{module}.{leaf}" for leaf in ("weight", "bias")}
        if all(name in outside for name in found.values()):
            return found
    return {}
