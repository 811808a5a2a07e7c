"""Videos and a list of their classes to a data set that training can read.

    python -m data_prep.build_records --videos DIR --name NAME --out DATA_ROOT

DIR holds one folder a class, or `--list` names the videos, in one of the forms of
`list_formats`. Every video is decoded once; those that fail are left out, counted by
reason and listed in `bad_videos.jsonl`. Files are stored unchanged, or made smaller
(`--short-side`); a folder of frames becomes one file. With `--images` the class folders
hold images, which training sees as videos of one frame; a list may name both. Stopped,
the same command goes on with the next shard.
"""

import argparse
import collections
import dataclasses
import hashlib
import os
import pathlib
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from data_prep import tfds_files
from data_prep.lists import class_folders, list_formats, wanted_videos
from data_prep.records import shards, video_files
from smad_jax import errors
from smad_jax.commands import command_line
from smad_jax.data import catalog, record_files, records, video

DEFAULT_HOLDOUT = 0.2

# What configs call other data by, and what ends a name on their command line.
_TAKEN_NAMES = ("embedded", "k200db", "k200both", "minikinetics", "k400")
_NAME_ENDS = ",=:/"


@dataclasses.dataclass(frozen=True)
class Options:
    """What may be chosen, as on the command line.

    Attributes:
        rules: What the files must hold.
        holdout: Share of each class held out as `val` where no list says.
        num_shards: Files to spread the videos over; 0 for one every 256 MiB.
        file_format: `tfrecord` or `array_record`.
        num_jobs: Files checked at the same time.
        overwrite: Replace a data set of the same name.
    """

    rules: video_files.Rules = dataclasses.field(default_factory=video_files.Rules)
    holdout: float = DEFAULT_HOLDOUT
    num_shards: int = 0
    file_format: record_files.FileFormat = "tfrecord"
    num_jobs: int = 1
    overwrite: bool = False


class Report(NamedTuple):
    """What came of a build.

    Attributes:
        folder: The data set's.
        num_listed: Videos wanted.
        num_stored: Of them, those stored.
        split_sizes: Videos of each split.
        num_classes: K.
        reasons: Videos left out, by reason.
        examples: One of them for each reason.
        notes: What the reader of the lists had to say.
    """

    folder: pathlib.Path
    num_listed: int
    num_stored: int
    split_sizes: dict[str, int]
    num_classes: int
    reasons: collections.Counter[str]
    examples: dict[str, str]
    notes: tuple[str, ...] = ()


def build(
    root: pathlib.Path,
    source: wanted_videos.Source,
    *,
    name: str,
    out: pathlib.Path,
    classes: Sequence[str] | None = None,
    options: Options | None = None,
    recipe: Mapping[str, catalog.Json] | None = None,
) -> Report:
    """Makes the data set `<out>/<name>`, which appears whole or not at all.

    Stopped by the user or a full disk, what is finished stays hidden in `out`, and the
    same call goes on there.

    Args:
        root: The folder that all ids are relative to.
        source: The wanted videos.
        name: The data set's name.
        out: The folder of data sets.
        classes: Class names in order; None derives them from the labels.
        options: What may be chosen.
        recipe: Noted in `dataset.json`.

    Raises:
        ConfigError: if the data set exists.
        DataError: if the list breaks a rule or too little can be read.
    """
    options = options or Options()
    wanted = wanted_videos.resolve(root, source, classes)
    folder = shards.claim(out, name, overwrite=options.overwrite)
    plan = shards.Plan(
        root=root,
        label_of=wanted.label_of,
        frames=wanted.frames,
        rules=options.rules,
        num_shards=options.num_shards,
        file_format=options.file_format,
    )
    partial = shards.workplace(out, name, plan)
    with shards.full_disk_explained(partial):
        stored = shards.store(plan, partial, options.num_jobs)
        try:
            sizes = _write_splits(partial, wanted, stored, source, options.holdout)
        except errors.DataError:
            shutil.rmtree(partial)  # going on would end here again
            raise
        report = _report(folder, wanted, stored, sizes, source)
        _describe(partial, report, wanted.classes, recipe or {})
        shards.publish(partial, folder)
    return report


def _report(
    folder: pathlib.Path,
    wanted: wanted_videos.Resolved,
    stored: shards.Stored,
    sizes: dict[str, int],
    source: wanted_videos.Source,
) -> Report:
    """What there is to say of a build."""
    bad = stored.bad
    return Report(
        folder=folder,
        num_listed=len(wanted.label_of),
        num_stored=len(stored.good),
        split_sizes=sizes,
        num_classes=len(wanted.classes),
        reasons=collections.Counter(error.reason for error in bad.values()),
        examples={error.reason: f"{id} ({error.detail})" for id, error in bad.items()},
        notes=tuple(source.notes),
    )


def _describe(
    partial: pathlib.Path,
    report: Report,
    classes: Sequence[str],
    recipe: Mapping[str, catalog.Json],
) -> None:
    """Writes the files that say what the data set is, for us and for TFDS."""
    counts = {"listed": report.num_listed, "bad": dict(report.reasons)}
    catalog.write_dataset_file(
        partial,
        name=report.folder.name,
        classes=classes,
        num_videos=report.num_stored,
        recipe={**recipe, **counts},
    )
    tfds_files.write(partial)


def summary(report: Report) -> str:
    """Returns the counts, the failures by reason, and what to run next."""
    share = report.num_stored / report.num_listed
    sizes = ", ".join(f"{split} {size}" for split, size in report.split_sizes.items())
    lines = [
        f"{report.folder}: {report.num_stored} of {report.num_listed} videos "
        f"({share:.1%}), {report.num_classes} classes; splits: {sizes}"
    ]
    lines += [f"note: {note}" for note in report.notes]
    if report.reasons:
        lines += ["", f"{'left out':16} {'videos':>7}  for example"]
        lines += [
            f"{reason:16} {count:7}  {report.examples[reason]}"
            for reason, count in report.reasons.most_common()
        ]
        lines += [
            "",
            f"all of them: {report.folder / 'bad_videos.jsonl'}",
            f"you have {share:.1%} of the list; comparable numbers need the same list",
        ]
    name = report.folder.name
    root = shlex.quote(str(report.folder.parent.resolve()))
    config = shlex.quote(f"configs/slowonly_baseline.py:{name}")
    lines += [
        "",
        "next:",
        f"  DATA_ROOT={root} python main.py --config {config}",
        "for SMAD, label the aspects first, by appearance or with --from FILE:",
        f"  python -m data_prep.pseudo_label --data-root {root} "
        f"--dataset {shlex.quote(name)} --aspect scene --labeller appearance",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if not (chosen.reindex or (chosen.videos and chosen.name and chosen.out)):
        parser.error("--videos, --name and --out are required")

    def act() -> str | None:
        if chosen.reindex:
            _reindex(chosen.reindex)
            return None
        options = _options(chosen)
        classes = wanted_videos.read_classes(chosen.classes) if chosen.classes else None
        report = build(
            chosen.videos,
            source(chosen),
            name=chosen.name,
            out=chosen.out,
            classes=classes,
            options=options,
            recipe=_recipe(chosen),
        )
        return summary(report)

    return command_line.run(act, stopped="stopped; the same command goes on from here")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.build_records",
        description="Stores videos and their classes as a data set for training.",
    )
    add = parser.add_argument
    folder = pathlib.Path
    add("--videos", type=folder, help="folder of the videos")
    add("--name", help="name of the data set")
    add("--out", type=folder, help="folder of the data sets")
    add("--list", type=folder, help="list of the videos; else class folders")
    add_format(parser)
    held = parser.add_mutually_exclusive_group()
    held.add_argument("--val-list", type=folder, help="list of the validation videos")
    held.add_argument(
        "--holdout",
        type=float,
        default=DEFAULT_HOLDOUT,
        help="share of each class held out for validation where no list says, 0 for "
        "none (default: %(default)s)",
    )
    add("--images", action="store_true", help="class folders hold images, no videos")
    add("--classes", type=folder, help="class names, one a line, in label order")
    add_rules(parser)
    add(
        "--short-side",
        type=int,
        default=0,
        help="make larger videos smaller, to a short side of so many pixels (256 or "
        "340 are usual); 0 stores the files as they are (default: %(default)s)",
    )
    add(
        "--file-format",
        choices=record_files.FILE_FORMATS,
        default="tfrecord",
        help="of the records (default: %(default)s)",
    )
    add(
        "--num-shards",
        type=command_line.whole_number(0),
        default=0,
        help="files to write, 0 for one every 256 MiB (default: %(default)s)",
    )
    add("--overwrite", action="store_true", help="replace a data set of that name")
    add("--reindex", type=folder, help="only write the index files of this folder anew")
    return parser


def add_format(parser: argparse.ArgumentParser) -> None:
    """Adds the flag that says which form a list has."""
    forms = "; ".join(
        f"{name}: {row.form}" for name, row in list_formats.FORMATS.items()
    )
    parser.add_argument(
        "--format",
        choices=("auto", *list_formats.FORMATS),
        default="auto",
        metavar="FORM",
        help=f"of the lists (default: %(default)s, told by their first lines); {forms}",
    )


def add_rules(parser: argparse.ArgumentParser) -> None:
    """Adds the flags about what a file must hold."""
    add = parser.add_argument
    add(
        "--check",
        choices=("decode", "open", "none"),
        default="decode",
        help="decode every frame, open each file, or trust them (default: %(default)s)",
    )
    add(
        "--min-frames",
        type=int,
        default=1,
        help="fewer frames are too few (default: %(default)s)",
    )
    add("--keep-truncated", action="store_true", help="keep what decodes of them")
    add(
        "--frame-template",
        default=video_files.Rules.frame_template,
        help="of file names in folders of frames (default: %(default)s)",
    )
    add(
        "--jobs",
        type=command_line.whole_number(1),
        default=os.cpu_count() or 1,
        help="files checked at once (default: the machine's cores, %(default)s)",
    )


def rules(chosen: argparse.Namespace, short_side: int = 0) -> video_files.Rules:
    """Returns what the flags of `add_rules` say, checked.

    Raises:
        ConfigError: if they contradict one another.
        DataError: if there is no folder of videos.
    """
    if chosen.min_frames > 1 and chosen.check == "none":
        raise errors.ConfigError("--min-frames needs --check decode or open")
    if short_side < 0 or short_side % 2 or 0 < short_side < 16:
        raise errors.ConfigError(
            f"--short-side must be an even number of at least 16, not {short_side}"
        )
    try:
        distinct = {chosen.frame_template.format(number) for number in (1, 2)}
    except (LookupError, ValueError):
        distinct = set()
    if len(distinct) < 2:
        raise errors.ConfigError(
            f"--frame-template {chosen.frame_template!r} must hold the frame's number, "
            "as in 'img_{:05}.jpg'"
        )
    if not chosen.videos.is_dir():
        raise errors.DataError(f"--videos {chosen.videos} is not a folder")
    return video_files.Rules(
        check=chosen.check,
        min_frames=chosen.min_frames,
        keep_truncated=chosen.keep_truncated,
        short_side=short_side,
        frame_template=chosen.frame_template,
    )


def source(chosen: argparse.Namespace) -> wanted_videos.Source:
    """Returns the videos that the flags name, by class folders or lists.

    Raises:
        ConfigError: if the flags do not go together.
        DataError: if a list is malformed or there are no videos.
    """
    if chosen.list is None:
        if chosen.val_list is not None:
            raise errors.ConfigError("--val-list needs --list")
        if chosen.format != "auto":
            raise errors.ConfigError("--format needs --list")
        return class_folders.find_videos(
            chosen.videos,
            video.IMAGE_EXTENSIONS if chosen.images else video.EXTENSIONS,
        )
    if chosen.images:
        raise errors.ConfigError(
            "--images is for class folders; leave it out with --list, which may name "
            "images"
        )
    return list_formats.read(chosen.videos, chosen.list, chosen.val_list, chosen.format)


def _options(chosen: argparse.Namespace) -> Options:
    """The options of the command line, checked."""
    _check_name(chosen.name)
    if not 0 <= chosen.holdout < 1:
        raise errors.ConfigError(
            f"--holdout must be at least 0 and less than 1, not {chosen.holdout}"
        )
    return Options(
        rules=rules(chosen, chosen.short_side),
        holdout=chosen.holdout,
        num_shards=chosen.num_shards,
        file_format=chosen.file_format,
        num_jobs=chosen.jobs,
        overwrite=chosen.overwrite,
    )


def _check_name(name: str) -> None:
    """Raises ConfigError if `name` is no folder or configs cannot name it."""
    if name in _TAKEN_NAMES or name.startswith("embedded-seed"):
        raise errors.ConfigError(
            f"--name {name!r} means other data in configs; choose another name"
        )
    wrong = [mark for mark in _NAME_ENDS if mark in name]
    if wrong or name.startswith((".", "-")) or not name.strip() or "\n" in name:
        raise errors.ConfigError(
            f"--name {name!r} must be a plain folder name that configs can name: no "
            "',', '=', ':', '/' or line break, no '.' or '-' in front"
        )


def _recipe(chosen: argparse.Namespace) -> dict[str, catalog.Json]:
    """How the data set was made, with a hash of each list."""
    recipe: dict[str, catalog.Json] = {"made_by": "data_prep.build_records"}
    for key in ("videos", "list", "val_list", "classes"):
        path = getattr(chosen, key)
        if path is not None:
            recipe[key] = str(path)
            if path.is_file():
                recipe[f"{key}_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    for key in (
        "format",
        "images",
        "holdout",
        "check",
        "min_frames",
        "keep_truncated",
        "short_side",
    ):
        recipe[key] = getattr(chosen, key)
    return recipe


def _write_splits(
    folder: pathlib.Path,
    wanted: wanted_videos.Resolved,
    stored: shards.Stored,
    source: wanted_videos.Source,
    holdout: float,
) -> dict[str, int]:
    """Writes the lists of the splits, and of all; returns their sizes."""
    good = stored.good
    if not good:
        reasons = collections.Counter(error.reason for error in stored.bad.values())
        counts = ", ".join(f"{key} {n}" for key, n in reasons.most_common())
        id, error = next(iter(stored.bad.items()))
        raise errors.DataError(
            f"none of the {len(wanted.label_of)} videos can be used: {counts}; the "
            f"first, {id!r}: {error.detail}"
        )
    label_of = {id: label for id, label in wanted.label_of.items() if id in good}
    parts = {
        split: [id for id in ids if id in good] for split, ids in wanted.splits.items()
    }
    if source.hold_out:
        held_out = wanted_videos.hold_out(label_of, holdout)
        parts["train"], parts["val"] = (
            [id for id in label_of if (id in held_out) == is_val]
            for is_val in (False, True)
        )
    for split, ids in parts.items():
        if split.startswith("train"):
            wanted_videos.check_classes(
                wanted.classes,
                (label_of[id] for id in ids),
                "after leaving out bad videos, ",
            )
    parts = {
        split: ids for split, ids in {**parts, "all": list(label_of)}.items() if ids
    }
    for split, ids in parts.items():
        catalog.write_split(folder, split, ids, [label_of[id] for id in ids])
    return {split: len(ids) for split, ids in parts.items()}


def _reindex(folder: pathlib.Path) -> None:
    """Writes the index of every shard in `folder` anew, with a line for each."""
    paths = [
        path
        for file_format in record_files.FILE_FORMATS
        for path in sorted(folder.glob(f"*.{file_format}"))
    ]
    if not paths:
        raise errors.DataError(f"no *.tfrecord or *.array_record in {folder}")
    for path in paths:
        print(f"{path}: {records.rebuild_index(path)} records")


if __name__ == "__main__":
    sys.exit(main())
