"""Readers for the lists of UCF101, HMDB51, Diving48, FineGYM-99, ActivityNet, HVU."""

import pathlib
import re

from data_prep.lists import delimited, list_readers, wanted_videos
from smad_jax import errors
from smad_jax.data import label_names

GYM_NAME = r"[\w-]{11}_E_\d{6}_\d{6}_A_\d{4}_\d{4}"


def read_activitynet(
    path: pathlib.Path, files: list_readers.Files
) -> list_readers.Listed:
    """Reads ActivityNet's JSON, as 3D-ResNets-PyTorch writes it for trimmed videos.

    Gives the splits of its subsets; videos without annotations, as of the test set, are
    passed over.

    Raises:
        DataError: naming the video whose annotations have several labels: it has to be
            cut into clips of one action first.
    """
    entries, unlabelled = [], 0
    for where, item in list_readers.items(path):
        annotations = item.get("annotations")
        if isinstance(annotations, dict):
            annotations = [annotations]
        if not annotations:
            unlabelled += 1
            continue
        if not isinstance(annotations, list):
            raise errors.DataError(f"{where}: annotations must be a list or one object")
        labels = {list_readers.text(part, "label", where) for part in annotations}
        id = list_readers.text(item, "id", where)
        if len(labels) > 1:
            raise errors.DataError(
                f"{where}: {id!r} has the labels {', '.join(sorted(labels))}; cut it "
                "into clips of one action each"
            )
        subset = delimited.part(list_readers.text(item, "subset", where), where)
        label = labels.pop()
        found = files.find([id, f"v_{id}"], label, where)
        entries.append(wanted_videos.Entry(found, label, where, subset))
    notes = [f"{unlabelled} videos without annotations are passed over"]
    return list_readers.Listed(entries, notes=notes if unlabelled else ())


def read_ucf101(path: pathlib.Path, files: list_readers.Files) -> list_readers.Listed:
    """Reads the folder of `classInd.txt`, `trainlist0k.txt` and `testlist0k.txt`.

    The splits are `train1`, `val1` and so on; `train` and `val` are the first. A train
    list instead of the folder gives its split only.
    """
    del files
    folder = path if path.is_dir() else path.parent
    names = label_names.read(folder / "classInd.txt")
    numbers = "123" if path.is_dir() else path.stem[-1:]
    entries = []
    for number in numbers:
        for kind, split in (("train", "train"), ("test", "val")):
            lines = folder / f"{kind}list0{number}.txt"
            known = "|".join(map(re.escape, names))
            for where, match in list_readers.matches(
                lines,
                rf"(({known})/\S+)(?:\s+(\d+))?",
                "`Class/video.avi` of a class in classInd.txt",
            ):
                label = names.index(match[2])
                if match[3] and int(match[3]) != label + 1:
                    raise errors.DataError(
                        f"{where}: {match[1]!r} has class {match[3]}, but class "
                        f"{label + 1} in classInd.txt"
                    )
                entry = wanted_videos.Entry(match[1], str(label), where, split)
                entries += _numbered(entry, number, numbers)
    return list_readers.Listed(entries, classes=names)


def _numbered(
    entry: wanted_videos.Entry, number: str, numbers: str
) -> list[wanted_videos.Entry]:
    """The entry in its numbered split, and in the plain one if that is the first."""
    named = [entry._replace(split=f"{entry.split}{number}")] if len(numbers) > 1 else []
    return [*named, *([entry] if number == numbers[0] else [])]


def read_hmdb51(path: pathlib.Path, files: list_readers.Files) -> list_readers.Listed:
    """Reads the folder of `CLASS_test_splitK.txt`, lines `name.avi 0`, `1` or `2`.

    1 is for training, 2 for test, 0 for neither. The splits are named as for UCF101;
    videos of no split are left out.
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
            for where, match in list_readers.matches(
                lines, r"\s*(\S.*?)\s* ([012])", "`name.avi 0`, `1` or `2`"
            ):
                if split := splits[match[2]]:
                    id = f"{name}/{match[1]}"
                    entry = wanted_videos.Entry(id, name, where, split)
                    entries += _numbered(entry, number, numbers)
    return list_readers.Listed(entries, classes=names)


def read_diving48(path: pathlib.Path, files: list_readers.Files) -> list_readers.Listed:
    """Reads objects of `vid_name, label, start_frame, end_frame`.

    Both editions have one form; `V2` in the file's name marks the second.
    """
    entries = []
    for where, item in list_readers.items(path):
        name = list_readers.text(item, "vid_name", where)
        label = list_readers.whole(item, "label", where)
        if not 0 <= label < 48:
            raise errors.DataError(
                f"{where}: label {label} of {name!r} must be 0 to 47"
            )
        found = files.find((name,), str(label), where)
        entries.append(wanted_videos.Entry(found, str(label), where))
    edition = "V2" if "v2" in path.name.lower() else "V1"
    note = "these are the first labels of Diving48, which V2 corrects"
    return list_readers.Listed(
        entries, notes=[note] if edition == "V1" else (), edition=edition
    )


def read_gym99(path: pathlib.Path, files: list_readers.Files) -> list_readers.Listed:
    """Reads `ID_E_ssssss_eeeeee_A_ssss_eeee label`: event in video, action in event."""
    entries = []
    form = "`ID_E_ssssss_eeeeee_A_ssss_eeee label`, the label 0 to 98"
    label = "0*([0-9]|[1-8][0-9]|9[0-8])"
    for where, match in list_readers.matches(path, rf"({GYM_NAME})\s+({label})", form):
        found = files.find((match[1],), match[2], where)
        entries.append(wanted_videos.Entry(found, match[2], where))
    return list_readers.Listed(entries)


def read_hvu(path: pathlib.Path, files: list_readers.Files) -> list_readers.Listed:
    """Reads objects of `filename` or `frame_dir, total_frames`, and tags by category.

    The class is the action tag; videos with several or none are left out, since a
    stored video has one class. `hvu_tags` stores the other tags.
    """
    del files
    entries, left_out = [], 0
    for where, item in list_readers.items(path):
        tags = item.get("label")
        if not isinstance(tags, dict):
            raise errors.DataError(f"{where}: label must be tags by category: {tags!r}")
        frames = None
        if "frame_dir" in item:
            id = list_readers.text(item, "frame_dir", where)
            frames = wanted_videos.Frames(
                id, 1, list_readers.whole(item, "total_frames", where)
            )
        else:
            id = list_readers.text(item, "filename", where)
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
        entries.append(wanted_videos.Entry(id, str(actions[0]), where, frames=frames))
    note = f"{path}: {left_out} videos have no action tag or several and are left out"
    return list_readers.Listed(entries, notes=[note] if left_out else ())
