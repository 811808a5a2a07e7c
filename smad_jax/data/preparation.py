"""The commands that prepare missing data, for error messages."""

import os
import pathlib
import re
import shlex
from collections.abc import Iterable
from typing import NamedTuple

from smad_jax.base import aspect_table
from smad_jax.data.embedded import benchmark

_BUILT_SPLITS = ("train", "val", "all")  # by data_prep.build_records
# by data_prep.embedded
_EMBEDDED_SPLITS = ("pool", "train", "iid", "tail", "rare", "oracle", "raw")
# Of downloaded videos and images: their folder, and further options.
_SOURCES = {
    # without its list of validation videos `val` would be a random part of the rest
    "kinetics400": "kinetics400 --list train.csv --val-list val.csv",
    "aras": "aras_clips --holdout 0",
    # the list of the second edition names some of these videos
    "diving48": "diving48/rgb --list Diving48_train.json --val-list Diving48_test.json "
    "--classes label_map.txt",
    "googleimage": "googleimage --images --holdout 0",
    "insvideo": "insvideo --holdout 0",
}
# The release of OmniSource has 200 classes, in folders 000 to 199.
_RELEASED = {
    name: f"{name}_200 --list {name}_200.txt --classes k200_actions.txt --holdout 0"
    for name in ("googleimage", "insvideo")
}
# The network that filters each medium (App. B), as the name of a config.
_TEACHERS = {"images": "tsn_baseline", "videos": "slowonly_baseline"}
_MEDIUM = {"googleimage": "images", "insvideo": "videos"}
# Further lists of stored videos, by data set and the first part of the split.
_ADDED = {
    ("kinetics400", "mini-"): "--list train_ytid_list.txt "
    "--val-list val_ytid_list.txt --classes k200_actions.txt --name mini",
    ("diving48", "v2-"): "--list Diving48_V2_train.json "
    "--val-list Diving48_V2_test.json --classes label_map.txt --name v2",
}
_TRAINING_DATA = {
    "k200": ("k200db", "kinetics400/k200db-train"),
    "k400": ("k400", "kinetics400/train"),
}


def default_root() -> str:
    """Returns the default folder of data sets: $DATA_ROOT, else `datasets`."""
    return os.environ.get("DATA_ROOT", "") or "datasets"


def commands(
    data_root: str | os.PathLike[str],
    dataset: str,
    split: str,
    *,
    aspects: Iterable[str] = (),
) -> list[str]:
    """Returns the shell lines that prepare the missing parts of a split, in order.

    `DIR` and `FILE` stand for the reader's own paths, as do `kinetics400`,
    `aras_clips`, `googleimage` and `insvideo`, the folders of downloads, and the names
    of published lists. A comment line names what no command makes.

    Args:
        data_root: The folder that holds the data sets.
        dataset: The data set's name.
        split: The split's name.
        aspects: Names of the aspects whose labels are needed.
    """
    folder = pathlib.Path(data_root) / dataset
    place = _place(data_root, dataset)
    path = folder / "splits" / f"{split}.txt"
    needed = tuple(aspects)
    lines, after = [], []
    if not path.is_file():
        if split.startswith("k200db-") or split == "k200-val":
            needed = ("scene", *needed)  # its labels decide which scenes are rare
            after = [f"python -m data_prep.k200db {place} --split train"]
        elif split.startswith("k200both-"):
            needed = ("scene", "object", *needed)
            after = [
                f"python -m data_prep.k200db {place} --split train --second-aspect "
                "object --name k200both"
            ]
        elif dataset == "aras" and split in ("aras64", "aras104"):
            numbering = "k200db-train" if split == "aras64" else "train"
            lines = commands(data_root, "kinetics400", numbering)
            after = [
                f"python -m data_prep.aras {place} --list aras_test_balance.txt "
                "--names k400_actions.txt"
            ]
        elif lists := _ADDED.get((dataset, re.sub("-(train|val)$", "-", split))):
            after = [f"python -m data_prep.add_splits {place} {lists}"]
        elif third := _third_of(dataset, split):
            needed = ("scene", *needed)  # its labels decide the thirds
            after = _third_lines(data_root, dataset, third)
        elif (folder / "dataset.json").is_file() or split not in (
            _EMBEDDED_SPLITS if _embedded_draw(dataset) else _BUILT_SPLITS
        ):
            after = [
                f"# write the split's `id label` lines to {path}, and the names of "
                f"other class numbers to {split}.classes.txt beside it"
            ]
    if not (folder / "dataset.json").is_file():
        lines.append(build_line(data_root, dataset, split))
    return [*lines, *_label_lines(folder, place, needed), *after]


class _Third(NamedTuple):
    """A part of web data as configs name it, and the origin of its videos.

    Attributes:
        name: The part of its name before `-unbias` and so on.
        raw: The split labelled by search queries.
        positive: The split of videos that the teacher keeps.
        config: Of the teacher's run, with its argument.
        flags: Further flags of that run.
        run: Its folder.
        target: DATASET/SPLIT whose class numbers to use; empty for the data set's own.
    """

    name: str
    raw: str
    positive: str
    config: str
    flags: tuple[str, ...]
    run: str
    target: str


def _third_of(dataset: str, split: str) -> _Third | None:
    """The origin of a split that a config of OmniDebias names; None for others."""
    parts = re.fullmatch(r"(.+)-(?:bias|mid|unbias|rand|all)", split)
    if not parts:
        return None
    name = parts[1]
    if draw := _embedded_draw(dataset):
        if not draw.is_web:
            return None
        # editions share web media, but each filters them by a teacher of its own
        edition = f"{benchmark.NAME}-{name}"
        later = edition in benchmark.EDITIONS
        run = f"runs/slowonly_baseline{f'-{edition}' * later}{draw.suffix}"
        flags = (*draw.config_flags, *((f"--workdir {run}",) if draw.suffix else ()))
        config = f"configs/slowonly_baseline.py{f':{edition}' * later}"
        positive = f"positive{f'-{name}' * later}"
        return _Third(name, "raw", positive, config, flags, run, "")
    if medium := _MEDIUM.get(dataset):
        if name not in _TRAINING_DATA:
            return None
        argument, target = _TRAINING_DATA[name]
        positive = f"positive-{name}"
    else:
        argument, _, medium = dataset.rpartition("-")
        target, positive = f"{argument}/train", "positive"
        if not argument or medium not in _TEACHERS:
            return None
    teacher = _TEACHERS[medium]
    config = f"configs/{teacher}.py:{argument}"
    run = f"runs/{teacher}-{argument}"
    return _Third(name, "all", positive, config, (), run, target)


def _third_lines(
    data_root: str | os.PathLike[str], dataset: str, third: _Third
) -> list[str]:
    """The lines from the labels of the queries to the thirds."""
    place = _place(data_root, dataset)
    lists = pathlib.Path(data_root) / dataset / "splits"
    lines = []
    if not (lists / f"{third.positive}.txt").is_file():
        root = shlex.quote(str(data_root))
        elsewhere = str(data_root) != default_root()
        flags = (*((f"--config.data.root={root}",) if elsewhere else ()), *third.flags)
        lines = [
            " ".join(["python main.py --config", shlex.quote(third.config), *flags]),
            f"python -m data_prep.teacher_filter {place} --split {third.raw} "
            f"--teacher {shlex.quote(third.run)} --name {third.positive}",
        ]
    target = f" --target {shlex.quote(third.target)}" if third.target else ""
    return [
        *lines,
        f"python -m data_prep.omnidebias {place} --split {third.positive}{target} "
        f"--name {shlex.quote(third.name)}",
    ]


class _Draw(NamedTuple):
    """A draw of the embedded benchmark; an empty scale is the whole of it."""

    name: str
    seed: str
    scale: str

    @property
    def is_web(self) -> bool:
        """Whether these are web data."""
        return self.name == benchmark.WEB_NAME

    @property
    def suffix(self) -> str:
        """The suffix of a run's name on this draw; empty for the default draw."""
        scale = f"-x{self.scale}" if self.scale else ""
        return f"-seed{self.seed}{scale}" if scale or self.seed != "0" else ""

    @property
    def config_flags(self) -> tuple[str, ...]:
        """Flags of `main.py` that choose this draw."""
        seed, scale = self.seed, self.scale
        return (
            *((f"--config.data.embedded_seed={seed}",) if seed != "0" else ()),
            *((f"--config.data.embedded_scale={scale}",) if scale else ()),
        )


def _embedded_draw(dataset: str) -> _Draw | None:
    """The draw that a folder's name stands for; None for other data sets."""
    parts = re.fullmatch(r"([a-z-]+)-seed(\d+)(?:-x([\d.]+))?", dataset)
    if not parts or parts[1] not in benchmark.DRAWN:
        return None
    return _Draw(parts[1], parts[2], parts[3] or "")


def _place(data_root: str | os.PathLike[str], dataset: str) -> str:
    """The data set as options of a command."""
    return f"--data-root {shlex.quote(str(data_root))} --dataset {shlex.quote(dataset)}"


def build_line(data_root: str | os.PathLike[str], dataset: str, split: str = "") -> str:
    """Returns the line that builds a data set, for one of its splits if given."""
    root = shlex.quote(str(data_root))
    if draw := _embedded_draw(dataset):
        scale = f" --scale {draw.scale}" if draw.scale else ""
        name = {benchmark.NAME: "", benchmark.WEB_NAME: " --web"}.get(
            draw.name, f" --name {draw.name}"
        )
        return (
            f"python -m data_prep.embedded --seed {draw.seed}{scale}{name} --out {root}"
        )
    source = _SOURCES.get(dataset, "DIR")
    if split.startswith("k200-"):
        source = _RELEASED.get(dataset, source)
    if dataset.endswith(("-images", "-videos")):  # web data beside a training set
        source = f"DIR{' --images' * dataset.endswith('-images')} --holdout 0"
    return (
        f"python -m data_prep.build_records --videos {source} "
        f"--name {shlex.quote(dataset)} --out {root}"
    )


def _label_lines(folder: pathlib.Path, place: str, aspects: Iterable[str]) -> list[str]:
    """The lines that label the unlabelled aspects."""
    if _embedded_draw(folder.name):
        return []  # it comes with its labels
    missing = [
        aspect
        for aspect in dict.fromkeys(aspects)
        if not (folder / "aspects" / f"{aspect}.tfrecord").is_file()
    ]
    lines = [_label_line(aspect, place) for aspect in missing if not _is_tags(aspect)]
    if any(line.endswith("--from FILE") for line in lines):
        lines.append(
            "# without such a FILE: --labeller resnet50 --weights DIR instead of "
            "--from, or --labeller appearance"
        )
    if any(map(_is_tags, missing)):  # one command for event, attribute and context
        lines.append(
            f"python -m data_prep.hvu_tags {place} --annotations HVU_Train_V1.0.csv "
            "HVU_Val_V1.0.csv --tags HVU_Tags_Categories_V1.0.csv"
        )
    return lines


def _is_tags(aspect: str) -> bool:
    """Whether the labels of an aspect are tags by annotators."""
    known = aspect_table.ASPECTS.get(aspect)
    return known is not None and known.kind == "tags"


def _label_line(aspect: str, place: str) -> str:
    """The line that labels an aspect; `place` names the data set as options."""
    return (
        f"python -m data_prep.pseudo_label {place} --aspect {shlex.quote(aspect)} "
        "--from FILE"
    )
