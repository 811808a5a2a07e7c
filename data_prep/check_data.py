"""Reports how much of a list of videos exists and can be used.

    python -m data_prep.check_data --videos DIR --list LIST --min-share 0.95 --out OUT

DIR and LIST are those of `build_records`; no records are written. Official lists
shrink as videos vanish from the web, and two people's copies differ: results compare
only as far as the shares of the list agree. OUT gets `classes.csv`, `summary.json` and
`files.jsonl`, one line a video; after a stop, unchanged files are not read again. The
exit code is 3 where the share is below `--min-share`.
"""

import argparse
import pathlib
import sys
from typing import NamedTuple

from data_prep.lists import command_options, wanted_videos
from data_prep.records import health, video_files
from smad_jax import errors
from smad_jax.base import command_line

HELP = "count the missing, broken, short and duplicated videos of a list"


class Checked(NamedTuple):
    """The state of a list, and remarks of its reader."""

    summary: health.Summary
    notes: tuple[str, ...]


def check(
    lists: command_options.Lists,
    rules: video_files.Rules,
    *,
    jobs: int = 1,
    out: pathlib.Path | None = None,
) -> Checked:
    """Returns the counts of a list, and writes them and the states of files to `out`.

    Raises:
        ConfigError: if options contradict each other.
        DataError: if the folder is missing or a list is malformed.
    """
    source = lists.source()
    wanted = wanted_videos.resolve(
        lists.videos, source, lists.class_names(), all_classes=False
    )
    found = health.look(
        lists.videos,
        wanted,
        rules,
        num_jobs=jobs,
        journal=out / "files.jsonl" if out else None,
    )
    summary = health.summarise(wanted, found)
    if out:
        digests = {
            str(path): digest
            for option, path, digest in lists.digests()
            if digest and option != "classes"
        }
        health.write(out, summary, digests, "; ".join(source.notes))
    return Checked(summary, tuple(source.notes))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add, path = parser.add_argument, pathlib.Path
    command_options.add_options(
        parser,
        command_options.Lists,
        *("videos", "list_file", "val_list", "test", "images", "classes"),
    )
    command_options.add_format(parser)
    video_files.add_options(parser)
    add("--out", type=path, help="folder of classes.csv, summary.json, files.jsonl")
    add(
        "--min-share",
        type=float,
        default=0.0,
        help="least share of usable videos, 0 to 1; with fewer the exit code is 3",
    )


def run(
    *,
    lists: command_options.Lists,
    rules: video_files.Rules,
    jobs: int,
    out: pathlib.Path | None,
    min_share: float,
) -> None:
    """Prints the counts; raises DataError if too little of the list is usable."""
    if not 0 <= min_share <= 1:
        raise errors.ConfigError(f"--min-share must be 0 to 1, not {min_share}")
    checked = check(lists, rules, jobs=jobs, out=out)
    # printed here, for the table must be seen where the share is too low as well
    for note in checked.notes:
        command_line.show(f"note: {note}")
    command_line.show(health.table(checked.summary))
    share = checked.summary.total.share
    if share < min_share:
        raise errors.DataError(
            f"{share:.1%} of the videos can be used, but --min-share is {min_share:.1%}"
        )


main = command_line.Program(
    "python -m data_prep.check_data",
    HELP,
    add_arguments,
    run,
    stopped="stopped; with --out, the same command resumes here",
)

if __name__ == "__main__":
    sys.exit(main())
