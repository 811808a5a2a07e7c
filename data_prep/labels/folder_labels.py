"""Labels the videos of a folder by appearance, where there is no data set.

Writes what the audit of any classifier reads: a table of soft labels, a sheet of the
clusters and a file of their names, to be replaced by hand.
"""

import collections
import csv
import pathlib
from typing import Literal, get_args

from data_prep.labels import appearance, cluster_sheet
from smad_jax import errors
from smad_jax.base import file_io
from smad_jax.data import catalog, loose_files

Key = Literal["path", "name", "stem"]
KEYS: tuple[Key, ...] = get_args(Key)


def label(
    folder: pathlib.Path,
    aspect: str,
    out: pathlib.Path,
    *,
    key: Key,
    num_labels: int | None,
    num_frames: int,
    seed: int,
    num_jobs: int,
) -> str:
    """Writes labels, sheet and names; returns what was written and what is next.

    Args:
        folder: The videos, in any folder below it.
        aspect: Name of the aspect.
        out: Table to write; the sheet and the names stand beside it.
        key: The id of a video: its path below `folder`, its file name, or its name
            without ending.
        num_labels: As for `appearance.label_by_appearance`, like those that follow.
        num_frames: Frames of each video.
        seed: Random seed of the clustering.
        num_jobs: Videos decoded at once.

    Raises:
        DataError: if there are no videos, or two have one id.
    """
    videos = loose_files.open_files(folder)
    ids = _ids(videos, key)
    sheet, names = out.with_suffix(".png"), out.with_suffix(".names.txt")
    for path in (out, sheet, names):
        file_io.check(path)
    labels, _ = appearance.label_by_appearance(
        videos,
        num_labels=num_labels,
        num_frames=num_frames,
        seed=seed,
        num_jobs=num_jobs,
    )
    count = labels.values.shape[1]
    with file_io.whole(out) as partial, open(partial, "w", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", *(f"p{number}" for number in range(count))])
        for id, row in zip(labels.ids, labels.values, strict=True):
            shares = (f"{share:.4f}" for share in row)
            writer.writerow([file_io.cell(ids[id]), *shares])
    cluster_sheet.draw(videos, labels, aspect, sheet)
    if not names.exists():  # names given by hand are kept
        file_io.write_text(names, "".join(f"{aspect} {n}\n" for n in range(count)))
    return (
        f"{out}: {count} labels of {aspect} for {len(labels.ids)} of {len(ids)} "
        f"videos\n{sheet}: a row of pictures for each label\n{names}: a name for each "
        f"row, to be replaced by what the pictures show\n"
        f"next: python -m smad_jax audit --predictions P.csv --labels L.csv "
        f"--aspect {aspect}={out} --names {aspect}={names} --videos {folder}"
    )


def _ids(videos: catalog.Split, key: Key) -> dict[str, str]:
    """The id of each video by its path."""
    parts = {"path": str, "name": lambda p: p.name, "stem": lambda p: p.stem}
    ids = {path: parts[key](pathlib.PurePath(path)) for path in videos.ids}
    twice = [id for id, n in collections.Counter(ids.values()).items() if n > 1]
    if twice:
        same = [path for path, id in ids.items() if id == twice[0]]
        raise errors.DataError(
            f"{len(twice)} ids belong to several videos, such as {twice[0]!r} to "
            f"{same[0]} and {same[1]}; use --id path"
        )
    return ids
