"""Compares a list of videos with the files: missing, undecodable, short, duplicated."""

import collections
import csv
import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TextIO

from data_prep.lists import wanted_videos
from data_prep.records import video_files
from smad_jax.base import file_io

_SHOWN_CLASSES = 20
_STATES = ("usable", "missing", "undecodable", "too_short")
_HEADS = ("listed", "present", "missing", "undecodable", "too short", "duplicated")


class Found(NamedTuple):
    """The state of one video.

    Attributes:
        state: `usable`, `missing`, `undecodable` or `too_short`.
        detail: Why it cannot be used.
        num_frames: Frames that decode, 0 if unknown.
        sha256: Digest of the content of a usable video.
    """

    state: str
    detail: str
    num_frames: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Row:
    """The counts of a class, or of all classes.

    Attributes:
        name: Of the class.
        listed: Videos of the list, present or missing.
        undecodable: Present but broken.
        too_short: Present but with too few frames.
        duplicated: Usable but equal byte by byte to one listed before.
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
        """The usable part of the list, 0..1."""
        return (self.present - self.undecodable - self.too_short) / self.listed


class Summary(NamedTuple):
    """The state of a data set.

    Attributes:
        total: Counts of all videos.
        classes: Counts of each class that has listed videos, in order.
        duplicates: Ids of equal videos, the one listed first in front.
        across: Duplicates with one video in training and one in validation.
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
    """Returns the state of each wanted video; `num_jobs` files are read at once.

    A `journal` stores the states. Those of an earlier run under the same rules hold for
    files whose size and time have not changed.
    """
    ids = list(wanted.label_of)
    sizes = video_files.sizes(root, ids, wanted.frames)
    files = {id: list(size) for id, size in zip(ids, sizes, strict=True)}
    head = {"videos": str(root.resolve()), **dataclasses.asdict(rules)}
    found = {}
    if journal is not None:
        for line in _read_journal(journal, head):
            if files.get(line["id"]) == line["file"]:
                found[line["id"]] = Found(*line["found"])
    progress = video_files.Progress(len(ids), len(found))
    left = [id for id in ids if id not in found]
    notes = _open_journal(journal, head, found, files)
    try:
        for id, checked in video_files.check_all(
            root, left, rules, wanted.frames, num_jobs
        ):
            found[id] = _found(checked)
            progress.add(checked.error)
            if notes:
                notes.write(_journal_line(id, files[id], found[id]))
                notes.flush()  # a kill loses no finished video
    finally:
        if notes:
            notes.close()
    return {id: found[id] for id in ids}


def summarise(wanted: wanted_videos.Resolved, found: Mapping[str, Found]) -> Summary:
    """Returns the counts, by class and in all, and the duplicates."""
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
    rows = [_row(name, n) for name, n in zip(wanted.classes, counts, strict=True)]
    total = _row("all", sum(counts, collections.Counter()))
    return Summary(total, [row for row in rows if row.listed], duplicates, across)


def table(summary: Summary) -> str:
    """Returns the counts as text: of all, and of the classes that lack most."""
    worst = sorted(
        (row for row in summary.classes if row.share < 1 or row.duplicated),
        key=lambda row: row.share,
    )
    rows = [summary.total, *worst[:_SHOWN_CLASSES]]
    width = max(8, *(len(row.name) for row in rows))
    lines = [f"{'class':{width}} " + " ".join(f"{h:>11}" for h in _HEADS) + "  share"]
    for row in rows:
        numbers = dataclasses.astuple(row)[1:]
        cells = " ".join(f"{number:11}" for number in numbers)
        lines.append(f"{row.name:{width}} {cells} {row.share:6.1%}")
    if len(worst) > _SHOWN_CLASSES:
        lines.append(f"and {len(worst) - _SHOWN_CLASSES} more incomplete classes")
    if summary.across:
        one, other = summary.across[0]
        lines.append(
            f"{len(summary.across)} videos are in training and in validation under two "
            f"names, as {one!r} and {other!r}"
        )
    lines.append(
        f"{summary.total.share:.1%} of the videos can be used; comparable numbers need "
        "the same videos"
    )
    return "\n".join(lines)


def write(
    folder: pathlib.Path, summary: Summary, lists: Mapping[str, str], notes: str
) -> None:
    """Writes `classes.csv` and `summary.json`, with the SHA-256 of each list."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [field.name for field in dataclasses.fields(Row)]
    with open(folder / "classes.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow([*names, "share"])
        for row in summary.classes:
            cells = map(file_io.cell, dataclasses.astuple(row))
            rows.writerow([*cells, f"{row.share:.4f}"])
    content = {
        **dataclasses.asdict(summary.total),
        "share": summary.total.share,
        "lists": dict(lists),
        "notes": notes,
        "duplicates": summary.duplicates,
        "in_training_and_validation": summary.across,
    }
    text = json.dumps(content, indent=1, ensure_ascii=False)
    (folder / "summary.json").write_text(text + "\n", "utf-8")


def _row(name: str, count: collections.Counter) -> Row:
    listed = sum(count[state] for state in _STATES)
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
    reason = checked.error.reason
    state = reason if reason in ("missing", "too_short") else "undecodable"
    return Found(state, str(checked.error), 0, "")


def _journal_line(id: str, file: Sequence[int], found: Found) -> str:
    line = {"id": id, "file": file, "found": found}
    return json.dumps(line, ensure_ascii=False) + "\n"


def _read_journal(path: pathlib.Path, head: Mapping[str, object]) -> Iterator[dict]:
    """The lines of an earlier run under the same rules; a cut line is skipped."""
    try:
        lines = path.read_text("utf-8").split("\n")
    except (FileNotFoundError, ValueError):
        return
    if json.dumps(head) != lines[0]:
        return
    for line in lines[1:]:
        try:
            entry = json.loads(line)
            Found(*entry["found"])
            yield {"id": entry["id"], "file": entry["file"], "found": entry["found"]}
        except file_io.BROKEN:
            continue


def _open_journal(
    path: pathlib.Path | None,
    head: Mapping[str, object],
    found: Mapping[str, Found],
    files: Mapping[str, Sequence[int]],
) -> TextIO | None:
    """The journal with the lines that still hold, opened for more."""
    if path is None:
        return None
    lines = (_journal_line(id, files[id], one) for id, one in found.items())
    file_io.write_text(path, json.dumps(head) + "\n" + "".join(lines))
    return open(path, "a", encoding="utf-8")
