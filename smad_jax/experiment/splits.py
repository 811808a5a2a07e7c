"""The splits that a config names, opened and checked together."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from smad_jax import errors
from smad_jax.data import catalog, groups, masking, preparation, selection, web
from smad_jax.data.embedded import benchmark

Config = Any  # an ml_collections.ConfigDict, of whose values no checker knows


class Splits(NamedTuple):
    """The training split, and by name the splits of web streams and of test sets.

    `target` holds the unlabelled videos of methods that adapt to a test set, `held_out`
    those of the training set that a method is fitted to after training, and `masked`
    the training videos to be seen without people; None for other methods.
    """

    train: catalog.Split
    web: Mapping[str, catalog.Split]
    tests: Mapping[str, catalog.Split]
    target: catalog.Split | None = None
    held_out: catalog.Split | None = None
    masked: masking.Masked | None = None


def data_root(config: Config) -> pathlib.Path:
    """Returns the data sets' folder: the config's, else $DATA_ROOT, else `datasets`."""
    return pathlib.Path(config.data.root or preparation.default_root())


def uses_embedded(config: Config) -> bool:
    """Returns whether the embedded benchmark is trained or tested on."""
    return _uses(config, benchmark.NAME)


def uses_embedded_web(config: Config) -> bool:
    """Returns whether the embedded benchmark's web data are trained or tested on."""
    return _uses(config, benchmark.WEB_NAME)


def _uses(config: Config, dataset: str) -> bool:
    streams = web.read_streams(config.data.web).values()
    places = (
        config.data.train,
        config.data.target,
        *config.evaluation.sets.to_dict().values(),
        *(stream.split for stream in streams),
    )
    return any(place.startswith(f"{dataset}/") for place in places)


def open_splits(config: Config) -> Splits:
    """Opens the training split, the web streams' splits and every test split.

    Raises:
        DataError: listing everything that is missing at once; or if a split numbers its
            classes, or a web data set its aspect labels, otherwise than the training
            data.
    """
    streams = web.read_streams(config.data.web)
    found = _open_all(config, _wanted(config, streams))
    train = _grouped(config, _deal(config, found["train"]["train"]))
    for kind, splits in found.items():
        # the labels of the target are never looked at, so neither are their numbers
        for name, split in splits.items() if kind != "target" else ():
            if split.classes != train.classes:
                raise errors.DataError(_other_classes(kind, name, split, train))
    webs = {
        name: web.match_aspects(_deal(config, split), train.aspects, config.data.train)
        for name, split in found["web"].items()
    }
    train, held_out = _few(config, train), None
    if config.data.holdout:
        train, held_out = selection.hold_out(train, config.data.holdout, config.seed)
    stream = masking.MaskedStream.from_config(config.data.masked)
    return Splits(
        train,
        {name: _few(config, split) for name, split in webs.items()},
        {name: _few(config, split) for name, split in found["test"].items()},
        next((_unlabelled(config, split) for split in found["target"].values()), None),
        held_out,
        masking.open_masked(train, stream) if stream else None,
    )


def open_train(config: Config) -> catalog.Split:
    """Opens the training split alone.

    Raises:
        DataError: if it is missing, with the commands that prepare it.
    """
    found = _open_all(config, _wanted(config, {})[:1])
    return _grouped(config, found["train"]["train"])


def open_place(
    config: Config, place: str, *, aspects: Sequence[str] = ()
) -> catalog.Split:
    """Opens any DATASET/SPLIT, of the config's draw where that is what it names.

    Args:
        config: Says where data sets lie.
        place: DATASET/SPLIT; `embedded` is the config's draw of the benchmark.
        aspects: Names of the aspects whose labels are wanted.

    Raises:
        ConfigError: if `place` is something else.
        MissingDataError: if it is missing, with the commands that prepare it.
    """
    dataset, split = divided(place)
    return catalog.open_split(
        data_root(config), folder_name(config, dataset), split, aspects=aspects
    )


def divided(place: str) -> tuple[str, str]:
    """Returns the data set and the split of DATASET/SPLIT.

    Raises:
        ConfigError: if it is something else.
    """
    dataset, _, split = place.rpartition("/")
    if not dataset or not split:
        raise errors.ConfigError(
            f"expected DATASET/SPLIT, such as {benchmark.NAME}/iid, but found {place!r}"
        )
    return dataset, split


def labelled_aspects(config: Config, place: str) -> tuple[str, ...]:
    """Returns the aspects that the data set of a DATASET/SPLIT has labels for."""
    dataset, _ = divided(place)
    folder = data_root(config) / folder_name(config, dataset)
    return catalog.labelled_aspects(folder)


class _Wanted(NamedTuple):
    """A split to be opened: what for, under which name, DATASET/SPLIT and aspects."""

    kind: str
    name: str
    place: str
    aspects: tuple[str, ...] = ()


def _wanted(config: Config, streams: Mapping[str, web.WebStream]) -> list[_Wanted]:
    """Returns every split that the config names."""
    tests = config.evaluation.sets.to_dict().items()
    target = config.data.target
    aspects = [*config.method.aspects, *filter(None, [config.data.groups])]
    return [
        _Wanted("train", "train", config.data.train, tuple(dict.fromkeys(aspects))),
        *(
            _Wanted("web", name, stream.split, _labelled(config, stream))
            for name, stream in streams.items()
        ),
        *([_Wanted("target", "target", target)] if target else ()),
        # an empty one is switched off, by --config.evaluation.sets.NAME=
        *(_Wanted("test", name, place) for name, place in tests if place),
    ]


def _open_all(
    config: Config, wanted: Sequence[_Wanted]
) -> dict[str, dict[str, catalog.Split]]:
    """Opens all splits, by kind and name; tells all that is missing at once."""
    missing, steps, kinds = [], [], set()
    found: dict[str, dict[str, catalog.Split]] = {
        kind: {} for kind in ("train", "web", "test", "target")
    }
    for kind, name, place, aspects in wanted:
        dataset, _, split = place.rpartition("/")
        try:
            found[kind][name] = catalog.open_split(
                data_root(config),
                folder_name(config, dataset),
                split,
                aspects=aspects,
                require_all_classes=kind == "train",
            )
        except catalog.MissingDataError as error:
            missing.append(f"{place}: {error.missing}")
            steps += error.steps
            kinds.add(kind)
    if missing:
        hint = "a test set is left out by --config.evaluation.sets.NAME="
        raise errors.DataError(
            _preparation(missing, steps, [hint] if "test" in kinds else [])
        )
    return found


def _preparation(
    missing: Sequence[str], steps: Sequence[str], hints: Sequence[str]
) -> str:
    """Returns the message about data that must be made first, with the commands."""
    return "\n  ".join(
        [
            "some data is missing:",
            *missing,
            "these commands prepare it:",
            *(f"  {step}" for step in dict.fromkeys(steps)),
            *hints,
        ]
    )


def _other_classes(
    kind: str, name: str, split: catalog.Split, train: catalog.Split
) -> str:
    """Returns the message about a split that numbers its classes in another way."""
    what = f"{name} and the training split number their classes differently"
    if kind == "test":
        return what
    differ = [
        f"class {number} is {there!r} and {here!r}"
        for number, (there, here) in enumerate(
            zip(split.classes, train.classes, strict=False)
        )
        if there != here
    ]
    counts = f"they have {len(split.classes)} and {len(train.classes)} classes"
    return (
        f"web stream {what}: {(differ or [counts])[0]}; write the split "
        f"{split.dataset}/{split.name} with the training split's numbers and its class "
        f"names in splits/{split.name}.classes.txt"
    )


def _labelled(config: Config, stream: web.WebStream) -> tuple[str, ...]:
    """Returns the method's aspects that a web stream shall use and has labels for."""
    if stream.aspect_labels == "none":
        return ()
    folder = data_root(config) / folder_name(config, stream.split.rpartition("/")[0])
    there = catalog.labelled_aspects(folder)
    return tuple(name for name in config.method.aspects if name in there)


def folder_name(config: Config, dataset: str) -> str:
    """Returns the folder of a data set; the embedded benchmark has one a draw."""
    if dataset not in (benchmark.NAME, benchmark.WEB_NAME):
        return dataset
    return benchmark.folder_name(
        config.data.embedded_seed, config.data.embedded_scale, name=dataset
    )


def _deal(config: Config, split: catalog.Split) -> catalog.Split:
    """Returns a training or web split with its aspect labels, given or shuffled."""
    dealt = config.data.aspect_labels
    if dealt not in ("given", "shuffled"):
        raise errors.ConfigError(
            f"unknown data.aspect_labels {dealt!r}; known: given, shuffled"
        )
    if dealt == "given":
        return split
    return selection.shuffle_aspects(split, config.seed)


def _grouped(config: Config, split: catalog.Split) -> catalog.Split:
    """Returns a training split with its groups, for a method that asks for some."""
    aspect = config.data.groups
    if not aspect:
        return split
    grouped = groups.with_groups(split, aspect)
    if aspect in config.method.aspects:
        return grouped
    return groups.without_aspect(grouped, aspect)


def _few(config: Config, split: catalog.Split) -> catalog.Split:
    """Returns the first of a split's videos, as many as the config allows."""
    count = config.data.max_videos
    return selection.few_videos(split, count) if count else split


def _unlabelled(config: Config, split: catalog.Split) -> catalog.Split:
    """Returns what a method may see of the target's split."""
    return _few(config, selection.without_labels(split))
