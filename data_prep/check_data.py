"""What there is of a list of videos: present, missing, undecodable, short, duplicated.

    python -m data_prep.check_data --videos DIR --list LIST --min-share 0.95 --out OUT

DIR and LIST are those of `build_records`; nothing is stored. Official lists shrink as
videos vanish from the web, and two people's copies differ: the share of the list says
how far numbers can be compared. OUT gets `classes.csv`, `summary.json` and
`files.jsonl`, one line a video, written as the work goes; run again after a stop, what
has not changed is not read twice. The exit code is 3 where the share is below
`--min-share`.
"""

import argparse
import collections
import csv
import dataclasses
import hashlib
import json
import pathlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TextIO

from data_prep import build_records
from data_prep.lists import wanted_videos
from data_prep.records import video_files
from smad_jax import errors, file_io
from smad_jax.commands import command_line

_SHOWN_CLASSES = 20
# Reasons why a file cannot be used, as the states of the table.
_STATES = {"missing": "missing", "too_short": "too_short"}  # all others: undecodable


class Found(NamedTuple):
    """What there is of one video.

    Attributes:
        state: `usable`, `missing`, `undecodable` or `too_short`.
        detail: Why it cannot be used.
        num_frames: Frames that decode, 0 if unknown.
        sha256: Of its content, if it is usable.
    """

    state: str
    detail: str
    num_frames: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Row:
    """The counts of a class, or of all.

    Attributes:
        name: Of the class.
        listed: Videos of the list.
        present: Of them, those that are there.
        missing: Not there.
        undecodable: There, but broken.
        too_short: There, but with too few frames.
        duplicated: Usable, but equal byte by byte to one listed before.
    """

    name: str
    listed: int
    present: int
    missing: int
    undecodable: int
    too_short: int
    duplicated: int

    @property
    def share(self) -> float:
        """The part of the list that can be used, 0..1."""
        return (self.present - self.undecodable - self.too_short) / self.listed


class Summary(NamedTuple):
    """The state of a data set.

    Attributes:
        total: Counts of all videos.
        classes: Counts of each class, in order.
        duplicates: Ids of equal videos, the one listed first in front.
        across: Of them, those that stand in training and in validation.
    """

    total: Row
    classes: list[Row]
    duplicates: list[tuple[str, str]]
    across: list[tuple[str, str]]


def look(
    root: pathlib.Path,
    wanted: wanted_videos.Resolved,
    rules: video_files.Rules,
    *,
    num_jobs: int = 1,
    journal: pathlib.Path | None = None,
) -> dict[str, Found]:
    """Returns what there is of each wanted video.

    Args:
        root: The folder of videos.
        wanted: The list.
        rules: What a file must hold.
        num_jobs: Files read at once.
        journal: File to note results in; those of an earlier run under the same rules
            hold for files of the same size and time.
    """
    ids = list(wanted.label_of)
    sizes = video_files.sizes(root, ids, wanted.frames)
    states = {id: list(state) for id, state in zip(ids, sizes, strict=True)}
    head = {"videos": str(root.resolve()), **dataclasses.asdict(rules)}
    found = {}
    if journal is not None:
        for line in _read_journal(journal, head):
            if states.get(line["id"]) == line["file"]:
                found[line["id"]] = Found(*line["found"])
    progress = video_files.Progress(len(ids), len(found))
    left = [id for id in ids if id not in found]
    notes = _open_journal(journal, head, found, states)
    try:
        for id, checked in video_files.check_all(
            root, left, rules, wanted.frames, num_jobs
        ):
            found[id] = _found(checked)
            progress.add(checked.error)
            if notes:
                notes.write(_journal_line(id, states[id], found[id]))
                notes.flush()
    finally:
        if notes:
            notes.close()
    return {id: found[id] for id in ids}


def summarise(wanted: wanted_videos.Resolved, found: Mapping[str, Found]) -> Summary:
    """Returns the counts, by class and in all, and the duplicates.

    Args:
        wanted: The list.
        found: What there is of each of its videos.
    """
    first: dict[str, str] = {}
    duplicates = []
    for id in wanted.label_of:
        if found[id].sha256 and (other := first.setdefault(found[id].sha256, id)) != id:
            duplicates.append((other, id))
    again = {id for _, id in duplicates}
    counts = [collections.Counter() for _ in wanted.classes]
    for id, label in wanted.label_of.items():
        counts[label].update(
            [found[id].state, *(["duplicated"] if id in again else [])]
        )
    val = set(wanted.splits.get("val", ()))
    train = set(wanted.splits.get("train", ()))
    across = [
        pair
        for pair in duplicates
        if any(id in train for id in pair) and any(id in val for id in pair)
    ]
    classes = [
        _row(name, count) for name, count in zip(wanted.classes, counts, strict=True)
    ]
    listed = [row for row in classes if row.listed]
    total = _row("all", sum(counts, collections.Counter()))
    return Summary(total, listed, duplicates, across)


def table(summary: Summary) -> str:
    """Returns the counts as text: all, and the classes that lack most."""
    worst = sorted(
        (row for row in summary.classes if row.share < 1 or row.duplicated),
        key=lambda row: row.share,
    )
    rows = [summary.total, *worst[:_SHOWN_CLASSES]]
    width = max(8, *(len(row.name) for row in rows))
    heads = ("listed", "present", "missing", "undecodable", "too short", "duplicated")
    lines = [f"{'class':{width}} " + " ".join(f"{h:>11}" for h in heads) + "  share"]
    for row in rows:
        numbers = dataclasses.astuple(row)[1:]
        cells = " ".join(f"{number:11}" for number in numbers)
        lines.append(f"{row.name:{width}} {cells} {row.share:6.1%}")
    if len(worst) > _SHOWN_CLASSES:
        lines.append(f"and {len(worst) - _SHOWN_CLASSES} more classes that lack some")
    if summary.across:
        one, other = summary.across[0]
        lines.append(
            f"{len(summary.across)} videos are in training and in validation under two "
            f"names, as {one!r} and {other!r}"
        )
    lines.append(
        f"you have {summary.total.share:.1%} of the list; comparable numbers need the "
        "same list"
    )
    return "\n".join(lines)


def write(
    folder: pathlib.Path, summary: Summary, lists: Mapping[str, str], hint: str
) -> None:
    """Writes `classes.csv` and `summary.json`.

    Args:
        folder: Where to.
        summary: The counts.
        lists: SHA-256 of each list.
        hint: What the reader of the lists had to say.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [field.name for field in dataclasses.fields(Row)]
    with open(folder / "classes.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow([*names, "share"])
        for row in summary.classes:
            rows.writerow([*dataclasses.astuple(row), f"{row.share:.4f}"])
    content = {
        **dataclasses.asdict(summary.total),
        "share": summary.total.share,
        "lists": dict(lists),
        "notes": hint,
        "duplicates": summary.duplicates,
        "in_training_and_validation": summary.across,
    }
    text = json.dumps(content, indent=1, ensure_ascii=False)
    (folder / "summary.json").write_text(text + "\n", "utf-8")


def _row(name: str, count: collections.Counter) -> Row:
    states = ("usable", "missing", "undecodable", "too_short")
    listed = sum(count[state] for state in states)
    return Row(
        name=name,
        listed=listed,
        present=listed - count["missing"],
        missing=count["missing"],
        undecodable=count["undecodable"],
        too_short=count["too_short"],
        duplicated=count["duplicated"],
    )


def _found(checked: video_files.Checked) -> Found:
    if checked.error is None:
        digest = hashlib.sha256(checked.content).hexdigest()
        return Found("usable", "", checked.num_frames, digest)
    state = _STATES.get(checked.error.reason, "undecodable")
    return Found(state, str(checked.error), 0, "")


def _journal_line(id: str, file: Sequence[int], found: Found) -> str:
    line = {"id": id, "file": file, "found": found}
    return json.dumps(line, ensure_ascii=False) + "\n"


def _read_journal(path: pathlib.Path, head: Mapping[str, object]) -> Iterator[dict]:
    """The lines of an earlier run under the same rules; a cut line is passed over."""
    try:
        lines = path.read_text("utf-8").split("\n")
    except FileNotFoundError:
        return
    if json.dumps(head) != lines[0]:
        return
    for line in lines[1:]:
        try:
            yield json.loads(line)
        except ValueError:
            continue


def _open_journal(
    path: pathlib.Path | None,
    head: Mapping[str, object],
    found: Mapping[str, Found],
    states: Mapping[str, Sequence[int]],
) -> TextIO | None:
    """The journal, opened for more, with what still holds."""
    if path is None:
        return None
    lines = (_journal_line(id, states[id], one) for id, one in found.items())
    file_io.write_text(path, json.dumps(head) + "\n" + "".join(lines))
    return open(path, "a", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.check_data",
        description="Says what there is of a list of videos, class by class.",
    )
    add, path = parser.add_argument, pathlib.Path
    add("--videos", type=path, required=True, help="folder of the videos")
    add("--list", type=path, help="the official list; else class folders")
    add("--val-list", type=path, help="list of the validation videos")
    build_records.add_format(parser)
    add("--images", action="store_true", help="class folders hold images, no videos")
    add("--classes", type=path, help="class names, one a line, in label order")
    build_records.add_rules(parser)
    add("--out", type=path, help="folder of classes.csv, summary.json, files.jsonl")
    add(
        "--min-share",
        type=float,
        default=0.0,
        help="exit with 3 if less of the list is usable, 0 to 1 (default: %(default)s)",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    chosen = _parser().parse_args(arguments)

    def act() -> None:
        if not 0 <= chosen.min_share <= 1:
            raise errors.ConfigError(
                f"--min-share must be 0 to 1, not {chosen.min_share}"
            )
        rules = build_records.rules(chosen)
        source = build_records.source(chosen)
        names = wanted_videos.read_classes(chosen.classes) if chosen.classes else None
        wanted = wanted_videos.resolve(chosen.videos, source, names, all_classes=False)
        journal = chosen.out / "files.jsonl" if chosen.out else None
        found = look(
            chosen.videos,
            wanted,
            rules,
            num_jobs=chosen.jobs,
            journal=journal,
        )
        summary = summarise(wanted, found)
        for note in source.notes:
            print(f"note: {note}")
        print(table(summary))
        if chosen.out:
            lists = {
                str(path): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in (chosen.list, chosen.val_list)
                if path is not None and path.is_file()
            }
            write(chosen.out, summary, lists, "; ".join(source.notes))
        if summary.total.share < chosen.min_share:
            raise errors.DataError(
                f"{summary.total.share:.1%} of the list is usable, --min-share asks "
                f"for {chosen.min_share:.1%}"
            )

    again = "the same command goes on from here" if chosen.out else "nothing kept"
    return command_line.run(act, stopped=f"stopped; {again}")


if __name__ == "__main__":
    sys.exit(main())
