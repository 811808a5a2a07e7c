"""Readers for the lists of Kinetics, Mini-Kinetics, ARAS and OmniSource's videos."""

import pathlib
import re
from collections.abc import Sequence

from data_prep.lists import delimited, list_readers, wanted_videos
from smad_jax import errors
from smad_jax.data import label_names


def read_kinetics(path: pathlib.Path, files: list_readers.Files) -> list_readers.Listed:
    """Reads `label,youtube_id,time_start,time_end,split`, more columns allowed.

    A clip is the file `ID_SSSSSS_EEEEEE` (start and end in whole seconds) or `ID`.
    """
    entries = []
    columns = ("label", "youtube_id", "time_start", "time_end", "split")
    for where, (label, id, *times, part) in list_readers.csv_rows(path, columns):
        split = delimited.part(part, where)
        if not label or not re.fullmatch(r"[\w-]{11}", id):
            raise errors.DataError(
                f"{where}: expected a label and a YouTube id of 11 characters, found "
                f"{label!r} and {id!r}"
            )
        start, end = (int(list_readers.seconds(text, where)) for text in times)
        found = files.find((f"{id}_{start:06}_{end:06}", id), label, where)
        entries.append(wanted_videos.Entry(found, label, where, split))
    return list_readers.Listed(entries)


def read_minikinetics(
    path: pathlib.Path, files: list_readers.Files
) -> list_readers.Listed:
    """Reads one YouTube id a line; a video's class is its folder."""
    entries, missing = [], 0
    form = "a YouTube id of 11 characters"
    for where, match in list_readers.matches(path, r"[\w-]{11}", form):
        id = match[0]
        found = files.with_id(id)
        missing += not found
        if len(found) > 1:
            raise errors.DataError(
                f"{where}: {id!r} could be {found[0]!r} or {found[1]!r}"
            )
        for name in found:
            label = pathlib.PurePath(name).parent.name
            if not label:
                raise errors.DataError(
                    f"{where}: {name!r} is in no class folder; the list has no labels, "
                    "so folders must name the classes"
                )
            entries.append(wanted_videos.Entry(name, label, where))
    note = f"{path}: {missing} ids have no video in {files.root} and so no class"
    return list_readers.Listed(entries, notes=[note] if missing else ())


def read_raw_videos(
    path: pathlib.Path, files: list_readers.Files
) -> list_readers.Listed:
    """Reads `folder label parts number ...`: parts `part_{number}.mp4` show the action.

    They are long videos of OmniSource cut into parts; the other parts are left out.
    """
    del files
    entries = []
    form = "`folder label parts number ...`"
    for where, match in list_readers.matches(path, r"\s*\S+(\s+\d+){2,}\s*", form):
        folder, label, *numbers = match[0].split()
        count, *positive = map(int, numbers)
        entries += _parts(folder, label, count, positive, where)
    return list_readers.Listed(entries)


def read_raw_videos_json(
    path: pathlib.Path, files: list_readers.Files
) -> list_readers.Listed:
    """Reads objects of `video_dir, label, num_clips, positive_clip_inds`."""
    del files
    entries = []
    for where, item in list_readers.items(path):
        folder = list_readers.text(item, "video_dir", where)
        label = list_readers.whole(item, "label", where)
        positive = item.get("positive_clip_inds")
        if not isinstance(positive, list) or not all(
            isinstance(number, int) for number in positive
        ):
            raise errors.DataError(
                f"{where}: positive_clip_inds must be numbers, not {positive!r}"
            )
        count = list_readers.whole(item, "num_clips", where)
        entries += _parts(folder, str(label), count, positive, where)
    return list_readers.Listed(entries)


def _parts(
    folder: str, label: str, count: int, positive: Sequence[int], where: str
) -> list[wanted_videos.Entry]:
    """The parts of a long video that show the action."""
    for number in positive:
        if not 0 <= number < count:
            raise errors.DataError(
                f"{where}: part {number} of {folder!r} must be 0 to {count - 1}"
            )
    return [
        wanted_videos.Entry(f"{folder}/part_{number}.mp4", label, where)
        for number in positive
    ]


def read_aras(path: pathlib.Path, files: list_readers.Files) -> list_readers.Listed:
    """Reads `aras_clips/CLASS/ID_k.mp4 label`, the balanced test list.

    Labels are positions in `k400_actions.txt`, read if it is beside the list. The
    folder of videos may be `aras_clips` or the one above. Repeated lines give one
    record; `data_prep.aras` makes the test splits, repeats included.
    """
    around = (files.root / "aras_clips").is_dir()
    entries = []
    for entry in delimited.read_list(path):
        id = entry.id if around else entry.id.removeprefix("aras_clips/")
        entries.append(entry._replace(id=id, split="test"))
    names = path.with_name("k400_actions.txt")
    return list_readers.Listed(
        entries, classes=label_names.read(names) if names.is_file() else None
    )
