"""The splits that a config names, opened and checked together."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from smad_jax import errors
from smad_jax.data import catalog, groups, masking, selection, web
from smad_jax.experiment import places
from smad_jax.experiment.keys import Data
from smad_jax.experiment.settings import Settings


class Splits(NamedTuple):
    """The splits of a run.

    Attributes:
        train: The training split.
        web: Splits of the web streams, by name.
        tests: Test sets, by name.
        target: Unlabelled videos, for methods that adapt to a test set.
        held_out: Training videos that the method is fitted to after training.
        masked: Training videos to be seen without people.
    """

    train: catalog.Split
    web: Mapping[str, catalog.Split]
    tests: Mapping[str, catalog.Split]
    target: catalog.Split | None = None
    held_out: catalog.Split | None = None
    masked: masking.Masked | None = None


def open_splits(settings: Settings) -> Splits:
    """Opens the training split, the web streams' splits and every test split.

    Raises:
        DataError: listing everything that is missing at once; or if a split numbers its
            classes, or a web data set its aspect labels, differently from the training
            data.
    """
    data, seed = settings.data, settings.seed
    found = _open_all(data, _wanted(settings))
    train = _grouped(settings, _shuffled(settings, found["train"]["train"]))
    # Other numbers would pass unnoticed: every label would mean another class.
    for kind, splits in found.items():
        # A method never sees the target's labels, so their numbers do not matter.
        for name, split in splits.items() if kind != "target" else ():
            if split.classes != train.classes:
                differ = web.differing_classes(split, train) if kind == "web" else ""
                raise errors.DataError(
                    f"{'web stream ' if differ else ''}{name} and the training split "
                    f"number their classes differently{differ}"
                )
    webs = {
        name: web.match_aspects(_shuffled(settings, split), train.aspects, data.train)
        for name, split in found["web"].items()
    }
    train, held_out = _few(data, train), None
    if data.holdout:
        together = catalog.read_copies(places.dataset_folder(data, data.train))
        train, held_out = selection.hold_out(train, data.holdout, seed, together)
    target = found["target"].get("target")
    return Splits(
        train,
        {name: _few(data, split) for name, split in webs.items()},
        {name: _few(data, split) for name, split in found["test"].items()},
        None if target is None else _few(data, selection.without_labels(target)),
        held_out,
        masking.open_masked(train, data.masked) if data.masked else None,
    )


def open_train(settings: Settings) -> catalog.Split:
    """Opens the training split alone."""
    # Test sets and web data need not be there.
    wanted = [one for one in _wanted(settings) if one.kind == "train"]
    return _grouped(settings, _open_all(settings.data, wanted)["train"]["train"])


class _Wanted(NamedTuple):
    """A split to be opened: its kind, a name, DATASET/SPLIT and aspects."""

    kind: str
    name: str
    place: str
    aspects: tuple[str, ...] = ()


def _wanted(settings: Settings) -> list[_Wanted]:
    """Returns every split that the config names."""
    data, aspects = settings.data, settings.method.aspects
    # Groups are made of an aspect's labels, whether or not the method uses these too.
    labelled = dict.fromkeys([*aspects, *filter(None, [data.groups])])
    return [
        _Wanted("train", "train", data.train, tuple(labelled)),
        *(
            _Wanted("web", name, stream.split, _labelled(settings, stream))
            for name, stream in data.web.items()
        ),
        *([_Wanted("target", "target", data.target)] if data.target else ()),
        # an empty one is switched off, by --config.evaluation.sets.NAME=
        *(
            _Wanted("test", name, place)
            for name, place in settings.evaluation.sets.items()
            if place
        ),
    ]


def _open_all(
    data: Data, wanted: Sequence[_Wanted]
) -> dict[str, dict[str, catalog.Split]]:
    """Opens all splits, by kind and name; reports all missing ones at once."""
    # Reported together, since preparing one of them can take hours.
    missing, steps, kinds = [], [], set()
    found: dict[str, dict[str, catalog.Split]] = {
        kind: {} for kind in ("train", "web", "test", "target")
    }
    for kind, name, place, aspects in wanted:
        dataset, _, split = place.rpartition("/")
        try:
            found[kind][name] = catalog.open_split(
                places.data_root(data),
                places.folder_name(data, dataset),
                split,
                aspects=aspects,
                # A test set may lack classes, which training data must have.
                require_all_classes=kind == "train",
            )
        except catalog.MissingDataError as error:
            missing.append(f"{place}: {error.missing}")
            steps += error.steps
            kinds.add(kind)
    if missing:
        hint = "a test set is left out by --config.evaluation.sets.NAME="
        raise errors.DataError(
            "\n  ".join(
                [
                    "some data is missing:",
                    *missing,
                    "these commands prepare it:",
                    # Splits of one data set need the same commands, each only once.
                    *(f"  {step}" for step in dict.fromkeys(steps)),
                    *([hint] if "test" in kinds else []),
                ]
            )
        )
    return found


def _labelled(settings: Settings, stream: web.WebStream) -> tuple[str, ...]:
    """Returns the method's aspects that a web stream has labels for."""
    if stream.aspect_labels == "none":
        return ()
    # Few web data sets have labels: `match_aspects` masks the aspects without any.
    found = places.labelled_aspects(settings.data, stream.split)
    return tuple(name for name in settings.method.aspects if name in found)


def _shuffled(settings: Settings, split: catalog.Split) -> catalog.Split:
    """Returns a training or web split with its aspect labels, given or shuffled."""
    # Web streams too: an adversary that reads the scene there would spoil the control.
    if settings.data.aspect_labels == "given":
        return split
    return selection.shuffle_aspects(split, settings.seed)


def _grouped(settings: Settings, split: catalog.Split) -> catalog.Split:
    """Returns a training split with its groups, for a method that uses them."""
    aspect = settings.data.groups
    if not aspect:
        return split
    # An aspect that the method does not name must not stay: it would get a head.
    grouped = groups.with_groups(split, aspect)
    if aspect in settings.method.aspects:
        return grouped
    return groups.without_aspect(grouped, aspect)


def _few(data: Data, split: catalog.Split) -> catalog.Split:
    """Returns as many of a split's videos as the config allows, evenly spaced."""
    return selection.few_videos(split, data.max_videos) if data.max_videos else split
