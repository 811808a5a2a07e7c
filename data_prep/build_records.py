"""Builds a data set that training can read from videos and a list of their classes.

    python -m data_prep.build_records --videos DIR --name NAME --out DATA_ROOT

DIR holds one folder per class, or `--list` names the videos, in one of the forms of
`list_formats`, and `--test NAME=LIST` those of further test sets. Every video is
decoded once; files that fail are left out, counted by reason and listed in
`bad_videos.jsonl`. Copies of one video stay on one side of the hold-out. Files are
stored unchanged, reduced (`--short-side`) or as a JPEG file for each frame
(`--store jpeg`); a folder of frames becomes one file. With `--images` the class folders
hold images, which training reads as videos of one frame; a list may name both. After a
stop, the same command resumes with the next shard.
"""

import argparse
import dataclasses
import pathlib
import re
import shlex
import sys

from data_prep.lists import command_options
from data_prep.records import build, datasets, video_files
from smad_jax import errors
from smad_jax.base import command_line
from smad_jax.data import catalog, record_files, records

HELP = "build a data set from videos and their classes"


def build_from_lists(
    lists: command_options.Lists, name: str, out: pathlib.Path, options: build.Options
) -> build.Report:
    """Builds the data set `<out>/<name>`, its recipe noted in `dataset.json`.

    Raises:
        ConfigError: if an option is wrong or the data set exists.
        DataError: if a list breaks a rule or too little can be read.
    """
    datasets.check_name(name)
    if not 0 <= options.holdout < 1:
        raise errors.ConfigError(
            f"--holdout must be at least 0 and less than 1, not {options.holdout}"
        )
    rules = options.rules
    recipe: dict[str, catalog.Json] = {"made_by": "data_prep.build_records"}
    for option, path, digest in lists.digests():
        recipe[option] = str(path)
        if digest:
            recipe[f"{option}_sha256"] = digest
    recipe |= {
        "format": lists.format,
        "images": lists.images,
        "holdout": options.holdout,
        "check": rules.check,
        "min_frames": rules.min_frames,
        "keep_truncated": rules.keep_truncated,
        "short_side": rules.short_side,
        "store": rules.store,
    }
    if rules.store == "jpeg":
        recipe |= {"stride": rules.stride, "quality": rules.quality}
    return build.build(
        lists.videos,
        lists.source(),
        name=name,
        out=out,
        classes=lists.class_names(),
        options=options,
        recipe=recipe,
    )


def rebuild_indexes(folder: pathlib.Path) -> dict[pathlib.Path, int]:
    """Writes the index file of every shard in `folder`; returns their records.

    Raises:
        DataError: if there is no shard.
    """
    paths = [
        path
        for file_format in record_files.FILE_FORMATS
        for path in sorted(folder.glob(f"*.{file_format}"))
    ]
    if not paths:
        raise errors.DataError(f"no *.tfrecord or *.array_record in {folder}")
    return {path: records.rebuild_index(path) for path in paths}


def summary(report: build.Report) -> str:
    """Returns the counts, the failures by reason, and the next commands if any."""
    share = report.num_stored / report.num_listed
    sizes = ", ".join(f"{split} {size}" for split, size in report.split_sizes.items())
    lines = [
        f"{report.folder}: {report.num_stored} of {report.num_listed} "
        f"video{'s' * (report.num_listed != 1)} ({share:.1%}), {report.num_classes} "
        f"class{'es' * (report.num_classes != 1)}; splits: {sizes}"
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
            f"{share:.1%} of the videos can be used; comparable numbers need the same "
            "videos",
        ]
    if lacking := _lacks(report):
        return "\n".join([*lines, f"note: {lacking}"])
    name = report.folder.name
    root = shlex.quote(str(report.folder.parent.resolve()))
    config = shlex.quote(f"configs/slowonly_baseline.py:{name},size=tiny")
    tests = [
        s for s in report.split_sizes if not re.fullmatch(r"(train|val)\d*|all", s)
    ]
    flags = [f"--config.evaluation.sets.{split}={name}/{split}" for split in tests]
    train = ["python main.py --config", config, *map(shlex.quote, flags)]
    lines += [
        "",
        "next, without size=tiny for the paper's recipe on GPUs:",
        f"  DATA_ROOT={root} {' '.join(train)}",
        "for SMAD, label the aspects first, by appearance or with --from FILE:",
        f"  python -m smad_jax pseudo_label --data-root {root} "
        f"--dataset {shlex.quote(name)} --aspect scene --labeller appearance",
    ]
    return "\n".join(lines)


def _lacks(report: build.Report) -> str:
    """What training on the data set would miss, and how to add it; empty if nothing."""
    if report.num_classes < 2:
        return (
            "one class only, but training needs two; --videos should hold one folder "
            "per class"
        )
    if "val" not in report.split_sizes:
        return (
            "no videos for validation, which training needs; give a folder `val` or "
            "--val-list, or --holdout and two different videos of a class"
        )
    return ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add, path = parser.add_argument, pathlib.Path
    add("--videos", type=path, help="folder of the videos")
    add("--name", help="name of the data set")
    command_line.add_data_root(parser, "--out")
    command_options.add_options(
        parser, command_options.Lists, "list_file", "images", "classes"
    )
    command_options.add_format(parser)
    held = parser.add_mutually_exclusive_group()
    command_options.add_options(held, command_options.Lists, "val_list")
    command_options.add_options(held, build.Options, "holdout")
    command_options.add_options(parser, command_options.Lists, "test")
    video_files.add_options(parser)
    command_options.add_options(
        parser, video_files.Rules, "short_side", "store", "stride", "quality"
    )
    command_options.add_options(
        parser, build.Options, "num_shards", "file_format", "overwrite"
    )
    add(
        "--reindex", type=path, help="folder whose index files to rewrite, nothing else"
    )


def run(
    *,
    reindex: pathlib.Path | None,
    name: str | None,
    out: pathlib.Path,
    **options: object,
) -> str:
    """Builds a data set or rewrites its indexes; returns a summary."""
    if reindex:
        counts = rebuild_indexes(reindex)
        return "\n".join(f"{path}: {count} records" for path, count in counts.items())
    if not (options["videos"] and name):
        raise errors.ConfigError("--videos and --name are required")
    rules = command_options.pick(video_files.Rules, options)
    chosen = command_options.pick(build.Options, options)
    report = build_from_lists(
        command_options.pick(command_options.Lists, options),
        name,
        out,
        dataclasses.replace(chosen, rules=rules),
    )
    return summary(report)


main = command_line.Program(
    "python -m data_prep.build_records",
    HELP,
    add_arguments,
    run,
    stopped="stopped; the same command resumes with the next shard",
)

if __name__ == "__main__":
    sys.exit(main())
