"""Builds a data set of wanted videos: records, splits and their description."""

import collections
import dataclasses
import pathlib
import shutil
from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

from data_prep.lists import wanted_videos
from data_prep.records import copies, shards, tfds_metadata, video_files
from smad_jax import errors
from smad_jax.base import sections
from smad_jax.data import catalog, record_files


@dataclasses.dataclass(frozen=True)
class Options:
    """The choices of a build.

    Attributes:
        rules: Requirements on the files.
        holdout: Share of each class's videos held out for validation, unless a list or
            folder names them; 0 for none.
        num_shards: Number of record files; 0 for one per 256 MiB.
        file_format: Format of the records.
        jobs: Files checked at once.
        overwrite: Replace a data set of that name.
    """

    rules: video_files.Rules = dataclasses.field(default_factory=video_files.Rules)
    holdout: float = 0.2
    num_shards: Annotated[int, sections.Range(least=0)] = 0
    file_format: record_files.FileFormat = "tfrecord"
    jobs: int = 1
    overwrite: bool = False


class Report(NamedTuple):
    """The outcome of a build.

    Attributes:
        folder: The data set's.
        num_listed: Videos wanted.
        num_stored: Videos stored.
        split_sizes: Videos of each split.
        num_classes: K.
        reasons: Videos left out, by reason.
        examples: One of them for each reason.
        notes: Remarks on the lists, and on copies of videos.
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
    """Makes the data set `<out>/<name>`, which appears complete or not at all.

    After a stop or a full disk, finished shards stay hidden in `out`, and the same call
    resumes with them. Ids are relative to `root`; without `classes`, their names come
    from the labels. The recipe is stored in `dataset.json`.

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
        stored = shards.store(plan, partial, options.jobs)
        try:
            together = copies.groups(stored.digests)
            splits, notes = _divide(wanted, stored, source, options.holdout, together)
        except errors.DataError:
            shutil.rmtree(partial)  # a resumed build would fail here again
            raise
        catalog.write_copies(partial, [ids for ids in together if len(ids) > 1])
        for split, ids in splits.items():
            labels = [wanted.label_of[id] for id in ids]
            catalog.write_split(partial, split, ids, labels)
        reasons = collections.Counter(error.reason for error in stored.bad.values())
        counts = {"listed": len(wanted.label_of), "bad": dict(reasons)}
        catalog.write_dataset_file(
            partial,
            name=name,
            classes=wanted.classes,
            num_videos=len(stored.digests),
            recipe={**(recipe or {}), **counts},
        )
        tfds_metadata.write(partial)
        shards.publish(partial, folder)
    return Report(
        folder=folder,
        num_listed=len(wanted.label_of),
        num_stored=len(stored.digests),
        split_sizes={split: len(ids) for split, ids in splits.items()},
        num_classes=len(wanted.classes),
        reasons=reasons,
        examples={e.reason: f"{id} ({e.detail})" for id, e in stored.bad.items()},
        notes=(*source.notes, *notes),
    )


def _divide(
    wanted: wanted_videos.Resolved,
    stored: shards.Stored,
    source: wanted_videos.Source,
    holdout: float,
    together: Sequence[Sequence[str]],
) -> tuple[dict[str, list[str]], list[str]]:
    """Returns the ids of each split and of `all`, and notes on copies among them.

    Ids that are `together` are held out together.

    Raises:
        DataError: if no video can be used, or a class has none for training.
    """
    digests = stored.digests
    if not digests:
        reasons = collections.Counter(error.reason for error in stored.bad.values())
        counts = ", ".join(f"{key} {n}" for key, n in reasons.most_common())
        id, error = next(iter(stored.bad.items()))
        raise errors.DataError(
            f"none of the {len(wanted.label_of)} videos can be used: {counts}; the "
            f"first, {id!r}: {error.detail}"
        )
    parts = {
        split: [id for id in ids if id in digests]
        for split, ids in wanted.splits.items()
    }
    notes = []
    if source.hold_out:
        label_of = {id: wanted.label_of[id] for id in parts["train"]}
        listed = [[id for id in ids if id in label_of] for ids in together]
        held_out = copies.hold_out(list(filter(None, listed)), label_of, holdout)
        train = [id for id in parts["train"] if id not in held_out]
        val = [id for id in parts["train"] if id in held_out]
        parts = {"train": train, "val": val} | parts | {"train": train}
        alike = [ids for ids in listed if len(ids) > 1]
        if alike and holdout:
            notes.append(
                f"{sum(map(len, alike))} videos are copies of each other or clips of "
                f"one recording, as {alike[0][0]!r} and {alike[0][1]!r}; they stay "
                "together in 'train' or in 'val'"
            )
    for split, ids in parts.items():
        if split.startswith("train"):
            wanted_videos.check_classes(
                wanted.classes,
                (wanted.label_of[id] for id in ids),
                "after leaving out bad videos, ",
            )
    notes += copies.remarks(parts, digests, wanted.label_of)
    parts = {split: ids for split, ids in parts.items() if ids}
    return parts | {"all": list(digests)}, notes
