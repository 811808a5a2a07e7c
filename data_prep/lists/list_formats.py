"""The forms of published lists of videos, and their detection.

`FORMATS` holds a reader for each; `kinetics_lists` and `published_lists` have those of
single data sets. Without `--format`, the first lines decide; a list that two forms
would read differently is refused.
"""

import functools
import itertools
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from data_prep.lists import (
    delimited,
    kinetics_lists,
    list_readers,
    published_lists,
    wanted_videos,
)
from smad_jax import errors

_LOOKED_AT = 20  # lines that decide the form of a list


class Head(NamedTuple):
    """The beginning of a list, a file or a folder.

    Attributes:
        path: The list.
        root: The folder of videos.
        lines: The first lines that are not blank.
        item: The first item of a JSON list.
    """

    path: pathlib.Path
    root: pathlib.Path
    lines: Sequence[str]
    item: list_readers.Item | None


class Format(NamedTuple):
    """One form of list.

    Attributes:
        read: Returns the content of a list.
        fits: Whether a list looks like one.
        form: A line, or the content, in words.
    """

    read: Callable[[pathlib.Path, list_readers.Files], list_readers.Listed]
    fits: Callable[[Head], bool]
    form: str


def read(
    root: pathlib.Path,
    path: pathlib.Path,
    val: pathlib.Path | None,
    form: str,
    *,
    tests: Mapping[str, pathlib.Path] | None = None,
    stored: Sequence[str] | None = None,
) -> wanted_videos.Source:
    """Returns the wanted videos of a list, one for validation and others for tests.

    A list that names its splits needs no second one.

    Args:
        root: The folder of the videos.
        path: The list.
        val: The list of validation videos, in the same form.
        form: A name of `FORMATS`, or `auto`.
        tests: Lists of further test videos, by the name of their split.
        stored: Ids of videos, in place of the files in the folder.

    Raises:
        ConfigError: if the form of a list is ambiguous, or a test split has the name
            of another split.
        DataError: naming file, line, value and rule of a fault.
    """
    files = list_readers.Files(root, stored)
    splits: dict[str, list[wanted_videos.Entry]] = {}
    found = {}
    hold_out = False
    for role, list_path in (("train", path), ("val", val), *(tests or {}).items()):
        if list_path is None:
            continue
        if role != "val" and role in splits:
            raise errors.ConfigError(
                f"--test {role}={list_path} names a split that {path} holds already; "
                "choose another name"
            )
        content = FORMATS[detect(root, list_path, form)].read(list_path, files)
        if not content.entries:
            raise errors.DataError(
                "; ".join(content.notes) or f"the list {list_path} is empty"
            )
        for entry in content.entries:
            if role != "train" and entry.split not in ("", "val", "test"):
                option = "--val-list" if role == "val" else f"--test list {role!r}"
                raise errors.DataError(
                    f"{entry.where}: {entry.id!r} is for {entry.split!r}, but the list "
                    f"is the {option}"
                )
            split = entry.split or role if role == "train" else role
            entry = entry._replace(id=files.spelt(entry.id))
            splits.setdefault(split, []).append(entry)
        found[role] = content
        hold_out = hold_out or (role == "train" and list(splits) == ["train"])
    editions = {content.edition for content in found.values()}
    if len(editions) > 1:
        raise errors.DataError(
            f"the lists beside {path} are of different editions "
            f"({', '.join(sorted(editions))}) with different labels; use one edition"
        )
    return wanted_videos.Source(
        splits,
        hold_out=hold_out and val is None,
        classes=found["train"].classes,
        notes=list(dict.fromkeys(note for one in found.values() for note in one.notes)),
    )


def detect(root: pathlib.Path, path: pathlib.Path, form: str = "auto") -> str:
    """Returns the form of a list, a name of `FORMATS`; `form` itself unless `auto`.

    Raises:
        ConfigError: if several forms fit, or none.
    """
    if form != "auto":
        return form
    head = _head(root, path)
    fitting = [name for name, format in FORMATS.items() if format.fits(head)]
    if len(fitting) > 1:
        raise errors.ConfigError(
            f"{path} could be any of {', '.join(fitting)}; choose one with --format"
        )
    if fitting:
        return fitting[0]
    if not head.lines and path.is_file() and path.suffix != ".json":
        raise errors.DataError(f"the list {path} is empty")
    if not head.lines or head.item is not None:
        known = "; ".join(f"{name}: {format.form}" for name, format in FORMATS.items())
        raise errors.ConfigError(f"{path} has none of the known forms ({known})")
    return "list"  # its reader names the fault of a line


def _head(root: pathlib.Path, path: pathlib.Path) -> Head:
    if path.is_dir():
        return Head(path, root, (), None)
    if path.suffix == ".json":
        return Head(path, root, (), next(list_readers.items(path), ("", {}))[1])
    lines = itertools.islice(wanted_videos.numbered_lines(path), _LOOKED_AT)
    return Head(path, root, [line for _, line in lines], None)


def _all_match(pattern: str, head: Head) -> bool:
    """Whether every line matches and there is one."""
    return bool(head.lines) and all(re.fullmatch(pattern, line) for line in head.lines)


def _has_key(key: str, others: Sequence[str], head: Head) -> bool:
    """Whether the items have a key and, where there are others, one of them."""
    item = head.item or {}
    return key in item and (not others or any(other in item for other in others))


def _fits_list(head: Head) -> bool:
    """Whether lines are a path with a file's extension, then a label."""
    if _fits_aras(head) or _fits_ucf101(head):  # equal lines with another meaning
        return False
    return bool(head.lines) and all(map(delimited.LIST_LINE.fullmatch, head.lines))


def _fits_frames(numbers: int, head: Head) -> bool:
    """Whether lines are a folder and `numbers` numbers, one of the folders present."""
    pattern = re.compile(rf"(.*\S)((?:\s+\d+){{{numbers}}})")
    matches = [match for line in head.lines if (match := pattern.fullmatch(line))]
    return len(matches) == len(head.lines) and any(
        (head.root / match[1]).is_dir() for match in matches
    )


def _fits_raw_videos(head: Head) -> bool:
    """Whether lines are `folder label parts number ...`, one of the folders present."""
    rows = [line.split() for line in head.lines]
    return (
        bool(rows)
        and all(
            len(row) > 3
            and all(map(str.isdecimal, row[1:]))
            and len(set(row[3:])) == len(row[3:]) <= int(row[2])
            and max(map(int, row[3:])) < int(row[2])
            for row in rows
        )
        and any((head.root / row[0]).is_dir() for row in rows)
    )


_fits_aras = functools.partial(_all_match, r"aras_clips/.+\s\d+")


def _read_frames(
    numbers: int, path: pathlib.Path, files: list_readers.Files
) -> list_readers.Listed:
    """Reads `folder [offset] frames label` lines, `numbers` numbers in each."""
    del files
    names = "folder offset frames label" if numbers == 3 else "folder frames label"
    pattern = r"\s*(\S|\S.*\S)" + r"\s+(\d+)" * (numbers - 1) + r"\s+(\S+)"
    entries = []
    for where, match in list_readers.matches(path, pattern, f"`{names}`"):
        folder, *counts, label = match.groups()
        offset, count = (0, *map(int, counts))[-2:]
        if count < 1:
            raise errors.DataError(
                f"{where}: {folder!r} has {count} frames, fewer than 1"
            )
        frames = wanted_videos.Frames(folder, offset + 1, count)
        # a folder may hold several videos, which their offsets identify
        id = f"{folder}#{offset}" if numbers == 3 else folder
        entries.append(wanted_videos.Entry(id, label, where, frames=frames))
    return list_readers.Listed(entries)


def _fits_ucf101(head: Head) -> bool:
    """Whether it is a train list beside the class numbers, or the folder of both."""
    if head.path.is_dir():
        return (head.path / "trainlist01.txt").is_file()
    named = re.fullmatch(r"trainlist0[123]\.txt", head.path.name)
    return named is not None and head.path.with_name("classInd.txt").is_file()


def _fits_hmdb51(head: Head) -> bool:
    return head.path.is_dir() and any(head.path.glob("*_test_split[123].txt"))


def _fits_kinetics(head: Head) -> bool:
    columns = head.lines[0].lower().split(",") if head.lines else []
    return {"youtube_id", "time_start", "split"} <= {c.strip('" ') for c in columns}


FORMATS: dict[str, Format] = {
    "list": Format(delimited.read, _fits_list, "`relative/path label` per line"),
    "kinetics": Format(
        kinetics_lists.read_kinetics,
        _fits_kinetics,
        "csv with label,youtube_id,time_start,time_end,split",
    ),
    "minikinetics": Format(
        kinetics_lists.read_minikinetics,
        functools.partial(_all_match, r"[\w-]{11}"),
        "one YouTube id per line, for videos in class folders",
    ),
    "rawframes": Format(
        functools.partial(_read_frames, 2),
        functools.partial(_fits_frames, 2),
        "`folder frames label` per line",
    ),
    "rawframes_offset": Format(
        functools.partial(_read_frames, 3),
        functools.partial(_fits_frames, 3),
        "`folder offset frames label` per line",
    ),
    "rawvideos": Format(
        kinetics_lists.read_raw_videos,
        _fits_raw_videos,
        "`folder label parts number ...` per line",
    ),
    "rawvideos_json": Format(
        kinetics_lists.read_raw_videos_json,
        functools.partial(_has_key, "video_dir", ()),
        "JSON with video_dir, label, positive_clip_inds",
    ),
    "ucf101": Format(
        published_lists.read_ucf101,
        _fits_ucf101,
        "folder with classInd.txt, trainlist0k.txt, testlist0k.txt",
    ),
    "hmdb51": Format(
        published_lists.read_hmdb51,
        _fits_hmdb51,
        "folder with CLASS_test_splitK.txt",
    ),
    "diving48": Format(
        published_lists.read_diving48,
        functools.partial(_has_key, "vid_name", ()),
        "JSON with vid_name, label",
    ),
    "gym99": Format(
        published_lists.read_gym99,
        functools.partial(_all_match, rf"{published_lists.GYM_NAME}\s+\d+"),
        "`ID_E_ssssss_eeeeee_A_ssss_eeee label` per line",
    ),
    "activitynet": Format(
        published_lists.read_activitynet,
        functools.partial(_has_key, "annotations", ("subset",)),
        "JSON with database: subset and annotations with a label, by id",
    ),
    "hvu": Format(
        published_lists.read_hvu,
        functools.partial(_has_key, "label", ("filename", "frame_dir")),
        "JSON with filename or frame_dir, label by category",
    ),
    "aras": Format(
        kinetics_lists.read_aras, _fits_aras, "`aras_clips/CLASS/ID_k.mp4 label`"
    ),
}
