"""Readers for the lists of published data sets, as their authors hand them out.

Kinetics, Mini-Kinetics, raw videos of OmniSource, UCF101, HMDB51, Diving48, FineGYM-99,
HVU and ARAS. Each gives the entries of one list; `list_formats` says which to use.
Where a list names a video without folder or extension, it is looked for in the folder
of videos.
"""

import csv
import functools
import json
import os
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from data_prep import video_lists
from smad_jax import errors

Item = Mapping[str, object]

GYM_NAME = r"[\w-]{11}_E_\d{6}_\d{6}_A_\d{4}_\d{4}"
# What Kinetics calls the parts, and the splits' names here.
_KINETICS_SPLITS = {
    "train": "train",
    "val": "val",
    "validate": "val",
    "validation": "val",
    "test": "test",
}


class Listed(NamedTuple):
    """The content of one list.

    Attributes:
        entries: The wanted videos.
        classes: Class names in order, where they come with the list.
        notes: What its reader should know.
        edition: Of a data set whose labels were revised.
    """

    entries: list[video_lists.Entry]
    classes: Sequence[str] | None = None
    notes: Sequence[str] = ()
    edition: str = ""


class Files:
    """The videos below a folder, found by their names without extension.

    Args:
        root: The folder; looked through when a name is first asked for.
    """

    def __init__(self, root: pathlib.Path):
        self.root = root

    def find(self, names: Sequence[str], label: str, where: str) -> str:
        """Returns the path of the video with one of `names`, relative to the folder.

        The first name that is found counts. Of several files of a name the one in the
        class's folder is taken. Where there is none, the path is made up of the first
        name, so that the video counts as missing.

        Args:
            names: File names without extension.
            label: Of the class.
            where: What wants it, for the message.

        Raises:
            DataError: if several files could be meant.
        """
        for name in names:
            paths = self._paths.get(name, [])
            if len(paths) > 1:
                folder = _plain(label)
                inside = [
                    path
                    for path in paths
                    if folder in map(_plain, pathlib.PurePath(path).parts)
                ]
                paths = inside or paths
            if len(paths) > 1:
                raise errors.DataError(
                    f"{where}: {name!r} could be {paths[0]!r} or {paths[1]!r}; leave "
                    "one of them in the folder of videos"
                )
            if paths:
                return paths[0]
        return f"{names[0]}.mp4"

    def with_id(self, youtube_id: str) -> list[str]:
        """Returns the paths of videos named by a YouTube id, with times or without."""
        return self._by_id.get(youtube_id, [])

    @functools.cached_property
    def _paths(self) -> dict[str, list[str]]:
        """Paths by name without extension, in sorted order."""
        found: dict[str, list[str]] = {}
        for folder, folders, names in os.walk(self.root):
            folders.sort()
            for name in sorted(names):
                stem, extension = os.path.splitext(name)
                if extension.lower() in video_lists.EXTENSIONS:
                    path = os.path.relpath(os.path.join(folder, name), self.root)
                    found.setdefault(stem, []).append(pathlib.Path(path).as_posix())
        return found

    @functools.cached_property
    def _by_id(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for stem, paths in self._paths.items():
            found.setdefault(re.sub(r"_\d{6}_\d{6}$", "", stem), []).extend(paths)
        return found


def items(path: pathlib.Path) -> Iterator[tuple[str, Item]]:
    """Yields `FILE, item N` and each item of a JSON list of objects.

    Raises:
        DataError: if it is no such list.
    """
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise errors.DataError(f"cannot read the list {path}: {error}") from error
    if not isinstance(content, list):
        raise errors.DataError(
            f"{path} must hold a JSON list, but it is a {type(content).__name__}"
        )
    for number, item in enumerate(content, start=1):
        if not isinstance(item, dict):
            raise errors.DataError(
                f"{path}, item {number}: expected an object, found {item!r}"
            )
        yield f"{path}, item {number}", item


def read_kinetics(path: pathlib.Path, files: Files) -> Listed:
    """Reads `label,youtube_id,time_start,time_end,split`, more columns allowed.

    A clip is the file `ID_SSSSSS_EEEEEE` (start and end in whole seconds) or `ID`.
    """
    lines = iter(video_lists.numbered_lines(path))
    where, header = next(lines, (f"{path}, line 1", ""))
    columns = [name.strip().lower() for name in next(csv.reader([header]), [])]
    wanted = ("label", "youtube_id", "time_start", "time_end", "split")
    if missing := [name for name in wanted if name not in columns]:
        raise errors.DataError(
            f"{where}: no column {missing[0]!r} among {', '.join(columns)}; needed are "
            f"{', '.join(wanted)} (lists without labels are no use)"
        )
    entries = []
    for where, line in lines:
        cells = next(csv.reader([line]))
        if len(cells) != len(columns):
            raise errors.DataError(
                f"{where}: expected {len(columns)} columns, found {len(cells)} in "
                f"{line!r}"
            )
        row = dict(zip(columns, map(str.strip, cells), strict=True))
        if row["split"] not in _KINETICS_SPLITS:
            raise errors.DataError(
                f"{where}: split {row['split']!r} must be one of "
                f"{', '.join(_KINETICS_SPLITS)}"
            )
        if not row["label"] or not re.fullmatch(r"[\w-]{11}", row["youtube_id"]):
            raise errors.DataError(
                f"{where}: expected a label and a YouTube id of 11 characters, found "
                f"{line!r}"
            )
        start, end = (_seconds(row[key], where) for key in ("time_start", "time_end"))
        name = f"{row['youtube_id']}_{start:06}_{end:06}"
        found = files.find((name, row["youtube_id"]), row["label"], where)
        split = _KINETICS_SPLITS[row["split"]]
        entries.append(video_lists.Entry(found, row["label"], where, split))
    return Listed(entries)


def read_minikinetics(path: pathlib.Path, files: Files) -> Listed:
    """Reads one YouTube id a line; a video's class is the folder it lies in."""
    entries = []
    for where, id in video_lists.numbered_lines(path):
        if not re.fullmatch(r"[\w-]{11}", id):
            raise errors.DataError(
                f"{where}: expected a YouTube id of 11 characters, found {id!r}"
            )
        found = files.with_id(id)
        if len(found) > 1:
            raise errors.DataError(
                f"{where}: {id!r} could be {found[0]!r} or {found[1]!r}"
            )
        for name in found:
            label = pathlib.PurePath(name).parent.name
            if not label:
                raise errors.DataError(
                    f"{where}: {name!r} lies in no class folder; this list has no "
                    "labels, the folders must give them"
                )
            entries.append(video_lists.Entry(name, label, where))
    missing = sum(not files.with_id(id) for _, id in video_lists.numbered_lines(path))
    note = (
        f"{path}: {missing} ids have no video in {files.root}, their class is unknown"
    )
    return Listed(entries, notes=[note] if missing else ())


def read_raw_videos(path: pathlib.Path, files: Files) -> Listed:
    """Reads `folder label parts number ...`: parts `part_{number}.mp4` show the action.

    Long videos of OmniSource cut into parts; the others are left out.
    """
    del files
    entries = []
    for where, line in video_lists.numbered_lines(path):
        folder, *numbers = line.split()
        if len(numbers) < 2 or not all(map(str.isdecimal, numbers)):
            raise errors.DataError(
                f"{where}: expected `folder label parts number ...`, found {line!r}"
            )
        label, count, *positive = numbers
        entries += _parts(folder, label, int(count), [int(n) for n in positive], where)
    return Listed(entries)


def read_raw_videos_json(path: pathlib.Path, files: Files) -> Listed:
    """Reads objects of `video_dir, label, num_clips, positive_clip_inds`."""
    del files
    entries = []
    for where, item in items(path):
        folder = _text(item, "video_dir", where)
        label = _whole(item, "label", where)
        positive = item.get("positive_clip_inds")
        if not isinstance(positive, list) or not all(
            isinstance(number, int) for number in positive
        ):
            raise errors.DataError(
                f"{where}: positive_clip_inds must be numbers, not {positive!r}"
            )
        count = _whole(item, "num_clips", where)
        entries += _parts(folder, str(label), count, positive, where)
    return Listed(entries)


def _parts(
    folder: str, label: str, count: int, positive: Sequence[int], where: str
) -> list[video_lists.Entry]:
    """The parts of a long video that show the action."""
    for number in positive:
        if not 0 <= number < count:
            raise errors.DataError(
                f"{where}: part {number} of {folder!r} must be 0 to {count - 1}"
            )
    return [
        video_lists.Entry(f"{folder}/part_{number}.mp4", label, where)
        for number in positive
    ]


def read_ucf101(path: pathlib.Path, files: Files) -> Listed:
    """Reads the folder of `classInd.txt`, `trainlist0k.txt` and `testlist0k.txt`.

    Gives the splits `train1`, `val1` and so on; `train` and `val` are those of the
    first. Given a train list instead of the folder, only its split.
    """
    del files
    folder = path if path.is_dir() else path.parent
    names = _ucf101_classes(folder / "classInd.txt")
    numbers = "123" if path.is_dir() else path.stem[-1:]
    entries = []
    for number in numbers:
        for kind, split in (("train", "train"), ("test", "val")):
            lines = folder / f"{kind}list0{number}.txt"
            for where, line in video_lists.numbered_lines(lines):
                match = re.fullmatch(r"(([^/]+)/\S+)(?:\s+(\d+))?", line)
                if not match or match[2] not in names:
                    raise errors.DataError(
                        f"{where}: expected `Class/video.avi` of a class in "
                        f"classInd.txt, found {line!r}"
                    )
                label = names.index(match[2])
                if match[3] and int(match[3]) != label + 1:
                    raise errors.DataError(
                        f"{where}: {match[1]!r} has class {match[3]}, but classInd.txt "
                        f"says {label + 1}"
                    )
                entry = video_lists.Entry(match[1], str(label), where, split)
                entries += _numbered(entry, number, numbers)
    return Listed(entries, classes=names)


def _ucf101_classes(path: pathlib.Path) -> list[str]:
    """The class names of `1 Name` lines, which count from 1."""
    names = []
    for where, line in video_lists.numbered_lines(path):
        number, _, name = line.partition(" ")
        if number != str(len(names) + 1) or not name.strip():
            raise errors.DataError(
                f"{where}: expected `{len(names) + 1} Name`, found {line!r}"
            )
        names.append(name.strip())
    return names


def _numbered(
    entry: video_lists.Entry, number: str, numbers: str
) -> list[video_lists.Entry]:
    """The entry in its numbered split; in the plain one too, if that is the first."""
    named = [entry._replace(split=f"{entry.split}{number}")] if len(numbers) > 1 else []
    return [*named, *([entry] if number == numbers[0] else [])]


def read_hmdb51(path: pathlib.Path, files: Files) -> Listed:
    """Reads the folder of `CLASS_test_splitK.txt`, lines `name.avi 0`, `1` or `2`.

    1 is for training, 2 for test, 0 for neither. The splits are named as for UCF101,
    and what no split uses is left out.
    """
    del files
    folder = path if path.is_dir() else path.parent
    numbers = "123" if path.is_dir() else path.stem[-1:]
    names = sorted({file.name[:-16] for file in folder.glob("*_test_split[123].txt")})
    splits = {"0": "", "1": "train", "2": "val"}
    entries = []
    for number in numbers:
        for name in names:
            lines = folder / f"{name}_test_split{number}.txt"
            for where, line in video_lists.numbered_lines(lines):
                file, _, use = line.rpartition(" ")
                if not file.strip() or use not in splits:
                    raise errors.DataError(
                        f"{where}: expected `name.avi 0`, `1` or `2`, found {line!r}"
                    )
                if split := splits[use]:
                    id = f"{name}/{file.strip()}"
                    entry = video_lists.Entry(id, name, where, split)
                    entries += _numbered(entry, number, numbers)
    return Listed(entries, classes=names)


def read_diving48(path: pathlib.Path, files: Files) -> Listed:
    """Reads objects of `vid_name, label, start_frame, end_frame`.

    Both editions look alike and are told apart by `V2` in the name of the file.
    """
    entries = []
    for where, item in items(path):
        name = _text(item, "vid_name", where)
        label = _whole(item, "label", where)
        if not 0 <= label < 48:
            raise errors.DataError(
                f"{where}: label {label} of {name!r} must be 0 to 47"
            )
        found = files.find((name,), str(label), where)
        entries.append(video_lists.Entry(found, str(label), where))
    edition = "V2" if "v2" in path.name.lower() else "V1"
    note = "these are the first labels of Diving48, which V2 corrects"
    return Listed(entries, notes=[note] if edition == "V1" else (), edition=edition)


def read_gym99(path: pathlib.Path, files: Files) -> Listed:
    """Reads `ID_E_ssssss_eeeeee_A_ssss_eeee label`: event in video, action in event."""
    entries = []
    for where, line in video_lists.numbered_lines(path):
        match = re.fullmatch(rf"({GYM_NAME})\s+(\d+)", line)
        if not match or int(match[2]) > 98:
            raise errors.DataError(
                f"{where}: expected `ID_E_ssssss_eeeeee_A_ssss_eeee label`, the "
                f"label 0 to 98, found {line!r}"
            )
        found = files.find((match[1],), match[2], where)
        entries.append(video_lists.Entry(found, match[2], where))
    return Listed(entries)


def read_hvu(path: pathlib.Path, files: Files) -> Listed:
    """Reads objects of `filename` or `frame_dir, total_frames`, and tags by category.

    The class is the action tag; a video of several, or of none, is left out, since a
    stored video has one class. The other tags are `hvu_tags`' business.
    """
    del files
    entries, left_out = [], 0
    for where, item in items(path):
        tags = item.get("label")
        if not isinstance(tags, dict):
            raise errors.DataError(f"{where}: label must be tags by category: {tags!r}")
        frames = None
        if "frame_dir" in item:
            id = _text(item, "frame_dir", where)
            frames = video_lists.Frames(id, 1, _whole(item, "total_frames", where))
        else:
            id = _text(item, "filename", where)
        actions = tags.get("action", [])
        if not isinstance(actions, list) or not all(
            isinstance(n, int) for n in actions
        ):
            raise errors.DataError(
                f"{where}: the action tags of {id!r} must be numbers, not {actions!r}"
            )
        if len(actions) != 1:
            left_out += 1
            continue
        entries.append(video_lists.Entry(id, str(actions[0]), where, frames=frames))
    note = f"{path}: {left_out} videos have no action tag or several and are left out"
    return Listed(entries, notes=[note] if left_out else ())


def read_aras(path: pathlib.Path, files: Files) -> Listed:
    """Reads `aras_clips/CLASS/ID_k.mp4 label`, the balanced test list.

    Labels are positions in `k400_actions.txt`, read where it lies beside the list. The
    folder of videos may be `aras_clips` or the one around it. Repeated lines give one
    record; `data_prep.aras` makes the test splits, repeats included.
    """
    around = (files.root / "aras_clips").is_dir()
    entries = []
    for entry in video_lists.read_list(path):
        id = entry.id if around else entry.id.removeprefix("aras_clips/")
        entries.append(entry._replace(id=id, split="test"))
    names = path.with_name("k400_actions.txt")
    return Listed(
        entries, classes=video_lists.read_classes(names) if names.is_file() else None
    )


def _plain(name: str) -> str:
    """A class name as folders may spell it."""
    return re.sub(r"[^\w]", "", name.replace("_", " ").lower())


def _seconds(text: str, where: str) -> int:
    try:
        return int(float(text))
    except ValueError as error:
        raise errors.DataError(f"{where}: {text!r} is no time in seconds") from error


def _text(item: Item, key: str, where: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value.strip():
        raise errors.DataError(f"{where}: {key} must be a name, not {value!r}")
    return value


def _whole(item: Item, key: str, where: str) -> int:
    value = item.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise errors.DataError(f"{where}: {key} must be a whole number, not {value!r}")
    return value
