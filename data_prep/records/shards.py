"""Writes the records of a data set shard by shard, so that a stop costs one shard.

The shards grow in a hidden folder beside the data set's place. A list of the files left
out marks each as finished; after a stop, the same command resumes with the others.
Shard s holds every N-th listed video from s on, so the bytes do not depend on stops and
no shard is all one class.
"""

import contextlib
import glob
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from data_prep.lists import wanted_videos
from data_prep.records import copies, video_files
from smad_jax import errors
from smad_jax.base import command_line, file_io
from smad_jax.data import record_files, records, video

_SHARD_BYTES = 256 << 20
_PLAN = "plan.json"


class Stored(NamedTuple):
    """The outcome for the wanted videos.

    Attributes:
        digests: That of each stored video, by id, in the order of the lists.
        bad: Errors by id.
    """

    digests: dict[str, str]
    bad: dict[str, video.VideoError]


class Plan(NamedTuple):
    """The videos to be stored, and how.

    Attributes:
        root: The folder of videos.
        label_of: The class of each id, in the order of the lists.
        frames: Frames of the ids that are folders of images.
        rules: Requirements on the files.
        num_shards: Number of record files; 0 for one every 256 MiB.
        file_format: `tfrecord` or `array_record`.
    """

    root: pathlib.Path
    label_of: Mapping[str, int]
    frames: Mapping[str, wanted_videos.Frames]
    rules: video_files.Rules
    num_shards: int
    file_format: record_files.FileFormat


def claim(out: pathlib.Path, name: str, *, overwrite: bool) -> pathlib.Path:
    """Returns the data set's folder, which is free or may be replaced.

    Raises:
        ConfigError: if it exists and must not be replaced.
    """
    folder = out / name
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return folder
    if not overwrite:
        raise errors.ConfigError(
            f"{folder} exists; choose another name, or --overwrite it, which also "
            "removes its splits and aspect labels"
        )
    if not (folder / "dataset.json").is_file() and not any(
        any(folder.glob(f"*.{kind}")) for kind in record_files.FILE_FORMATS
    ):
        raise errors.ConfigError(f"{folder} is no data set; remove it by hand")
    return folder


def workplace(out: pathlib.Path, name: str, plan: Plan) -> pathlib.Path:
    """Returns the hidden folder to write in, that of a stopped run of the plan if any.

    Folders of other plans are removed, unless their processes still run.
    """
    sizes = video_files.sizes(plan.root, list(plan.label_of), plan.frames)
    num_shards = plan.num_shards or 1 + sum(size for size, _ in sizes) // _SHARD_BYTES
    parts = (str(plan.root), dict(plan.label_of), dict(plan.frames), plan.rules, sizes)
    key = hashlib.sha256(repr((*parts, num_shards, plan.file_format)).encode())
    wanted = {"plan": key.hexdigest(), "num_shards": num_shards}
    folder = out / f".{name}.partial-{os.getpid()}"
    for left in sorted(out.glob(f".{glob.escape(name)}.partial-*")):
        if left != folder and _is_running(left.name.rpartition("-")[2]):
            continue
        if _read_plan(left) != wanted or (left != folder and folder.exists()):
            shutil.rmtree(left, ignore_errors=True)
        elif left != folder:
            os.replace(left, folder)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob(".*.partial-*"):  # of a killed process
        path.unlink()
    (folder / _PLAN).write_text(json.dumps(wanted))
    return folder


def store(plan: Plan, folder: pathlib.Path, num_jobs: int) -> Stored:
    """Writes the shards that `folder`, from `workplace`, lacks, and `bad_videos.jsonl`.

    Raises:
        OSError: if the disk is full, see `full_disk_explained`.
    """
    num_shards = int((_read_plan(folder) or {})["num_shards"])
    ids = list(plan.label_of)
    shards = [ids[shard::num_shards] for shard in range(num_shards)]
    finished = [
        _is_finished(folder, shard, num_shards, plan.file_format)
        for shard in range(num_shards)
    ]
    done = sum(
        len(part) for part, is_done in zip(shards, finished, strict=True) if is_done
    )
    if done:
        command_line.on_standard_error(f"resuming after {done} of {len(ids)} videos")
    progress = video_files.Progress(len(ids), done)
    bad: dict[str, video.VideoError] = {}
    digests: dict[str, str] = {}
    for shard, part in enumerate(shards):
        if not finished[shard]:
            stem = f"videos-{shard:05}-of-{num_shards:05}"
            _write_shard(plan, folder / stem, part, num_jobs, progress)
        path = folder / f"done-{shard:05}.json"
        advice = f"remove {folder} and build again"
        outcome = file_io.read_json(path, advice)
        with file_io.reading(path, advice):
            digests |= outcome["digests"]
            for id, reason, detail in outcome["bad"]:
                bad[id] = video.VideoError(reason, detail)
    bad = {id: bad[id] for id in ids if id in bad}
    with open(folder / "bad_videos.jsonl", "w", encoding="utf-8") as file:
        for id, error in bad.items():
            line = {"id": id, "reason": error.reason, "detail": error.detail}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return Stored({id: digests[id] for id in ids if id in digests}, bad)


def _is_finished(
    folder: pathlib.Path,
    shard: int,
    num_shards: int,
    file_format: record_files.FileFormat,
) -> bool:
    """Whether a shard was finished and has not changed since, by its index."""
    if not (folder / f"done-{shard:05}.json").is_file():
        return False
    path = folder / f"videos-{shard:05}-of-{num_shards:05}.{file_format}"
    try:
        records.check_index(path)
    except (errors.DataError, OSError) as error:
        command_line.on_standard_error(f"writing a shard again: {error}")
        return False
    return True


def publish(partial: pathlib.Path, folder: pathlib.Path) -> None:
    """Moves the finished folder into place, without the files of unfinished work."""
    for path in [partial / _PLAN, *partial.glob("done-*.json")]:
        path.unlink(missing_ok=True)
    if folder.exists():
        old = folder.with_name(f"{partial.name}-old")
        os.replace(folder, old)
        os.replace(partial, folder)
        shutil.rmtree(old)
    else:
        os.replace(partial, folder)


def _write_shard(
    plan: Plan,
    path: pathlib.Path,
    ids: Sequence[str],
    num_jobs: int,
    progress: video_files.Progress,
) -> None:
    """Writes one shard of the readable videos, then their digests and the others."""
    bad, digests = [], {}
    with records.ShardWriter(f"{path}.{plan.file_format}") as writer:
        for id, (content, num_frames, error, packets) in video_files.check_all(
            plan.root, ids, plan.rules, plan.frames, num_jobs, video_files.convert
        ):
            progress.add(error)
            if error is not None:
                bad.append((id, error.reason, error.detail))
                continue
            digests[id] = copies.digest(content)
            label = plan.label_of[id]
            record = records.VideoRecord(id, content, label, num_frames, packets)
            writer.write(id, record.fields())
    # the presence of this file marks the shard as finished, so it appears whole
    done = path.with_name(f"done-{path.name.split('-')[1]}.json")
    outcome = {"bad": bad, "digests": digests}
    file_io.write_text(done, json.dumps(outcome, ensure_ascii=False))


@contextlib.contextmanager
def full_disk_explained(folder: pathlib.Path) -> Iterator[None]:
    """Turns a full disk into an error that names the remedy.

    Raises:
        DataError: if there is no space left.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in errors.FULL_DISK:
            raise
        done = len(list(folder.glob("done-*.json")))
        raise errors.DataError(
            f"no space left for {folder.parent} after {done} finished shards; free "
            "some and run the same command again, which resumes there"
        ) from error


def _read_plan(folder: pathlib.Path) -> dict[str, str | int] | None:
    """The plan of the run that made a folder, None if it is unreadable."""
    try:
        return file_io.read_json(folder / _PLAN, "")
    except (OSError, errors.DataError):
        return None


def _is_running(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        pass
    return True
