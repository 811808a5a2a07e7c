"""Videos and a list of their classes to a data set that training can read.

    python -m data_prep.build_records --videos DIR --name NAME --out DATA_ROOT

DIR holds one folder a class, or `--list` gives one `relative/path label` a line. Every
video is decoded once; those that fail are left out, counted by reason and listed in
`bad_videos.jsonl`. The files themselves are stored unchanged. With `--images` the
folders hold JPEG or PNG images, which training sees as videos of one frame; a list may
name both.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import glob
import hashlib
import json
import os
import pathlib
import shlex
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from data_prep import video_lists
from smad_jax import errors
from smad_jax.data import catalog, records, video

DEFAULT_HOLDOUT = 0.2

# What configs call other data by, and what ends a name on their command line.
_TAKEN_NAMES = ("embedded", "k200db", "k400")
_NAME_ENDS = ",=:/"

_CHECK_TIME = 120.0  # seconds a file; checking decodes all of it
_SHARD_BYTES = 256 << 20


class Checked(NamedTuple):
    """A video after reading: its content and frames, or why it cannot be used."""

    content: bytes
    num_frames: int
    error: video.VideoError | None


@dataclasses.dataclass(frozen=True)
class Options:
    """What may be chosen, as on the command line.

    Attributes:
        check: `decode` every frame, `open` each file and decode one, or `none`.
        min_frames: Fewer frames are too few.
        keep_truncated: Keep videos whose end is missing, with the frames that decode.
        holdout: Share of each class held out as `val` where no list says.
        num_shards: Files to spread the videos over; 0 for one every 256 MiB.
        num_jobs: Files checked at the same time.
        overwrite: Replace a data set of the same name.
    """

    check: str = "decode"
    min_frames: int = 1
    keep_truncated: bool = False
    holdout: float = DEFAULT_HOLDOUT
    num_shards: int = 0
    num_jobs: int = 1
    overwrite: bool = False


class Report(NamedTuple):
    """What came of a build: the data set's folder, counts, and failures by reason."""

    folder: pathlib.Path
    num_listed: int
    num_stored: int
    split_sizes: dict[str, int]
    num_classes: int
    reasons: collections.Counter[str]
    examples: dict[str, str]


def check(path: pathlib.Path, options: Options) -> Checked:
    """Returns the file's content and its number of frames, or what is wrong with it.

    Without checks the number is 0, unknown.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        return Checked(b"", 0, video.VideoError("missing", reason))
    if options.check == "none":
        return Checked(content, 0, None)
    try:
        facts = video.probe(
            content,
            count="decoded" if options.check == "decode" else "stated",
            time_limit=_CHECK_TIME,
        )
    except video.VideoError as error:
        return Checked(b"", 0, error)
    if facts.failure and not options.keep_truncated:
        return Checked(b"", 0, video.VideoError("truncated", facts.failure))
    if facts.num_frames < options.min_frames:
        detail = f"{facts.num_frames} frames, wanted {options.min_frames}"
        return Checked(b"", 0, video.VideoError("too_short", detail))
    return Checked(content, facts.num_frames, None)


def build(
    root: pathlib.Path,
    source: video_lists.Source,
    *,
    name: str,
    out: pathlib.Path,
    classes: Sequence[str] | None = None,
    options: Options | None = None,
    recipe: Mapping[str, catalog.Json] | None = None,
) -> Report:
    """Makes the data set `<out>/<name>`, which appears whole or not at all.

    Args:
        root: The folder that all ids are relative to.
        source: The wanted videos.
        name: The data set's name.
        out: The folder of data sets.
        classes: Class names in order; None derives them from the labels.
        options: What may be chosen.
        recipe: Noted in `dataset.json`.

    Raises:
        ConfigError: if the data set exists.
        DataError: if the list breaks a rule or too little can be read.
    """
    options = options or Options()
    names, label_of, held_out = video_lists.resolve(root, source, classes)
    folder = _claim(out, name, overwrite=options.overwrite)
    partial = out / f".{name}.partial-{os.getpid()}"
    partial.mkdir(parents=True)
    try:
        good, bad = _store(root, partial, label_of, options)
        stored = {id: label for id, label in label_of.items() if id in good}
        reasons = collections.Counter(error.reason for error in bad.values())
        _check_any(stored, label_of, reasons)
        if source.val is None:
            held_out = video_lists.hold_out(stored, options.holdout)
        sizes = _write_splits(partial, names, stored, held_out)
        catalog.write_dataset_file(
            partial,
            name=name,
            classes=names,
            num_videos=len(stored),
            recipe={**(recipe or {}), "listed": len(label_of), "bad": dict(reasons)},
        )
        _publish(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    examples = {error.reason: f"{id} ({error.detail})" for id, error in bad.items()}
    return Report(
        folder=folder,
        num_listed=len(label_of),
        num_stored=len(stored),
        split_sizes=sizes,
        num_classes=len(names),
        reasons=reasons,
        examples=examples,
    )


def summary(report: Report) -> str:
    """Returns the counts, the failures by reason, and what to run next."""
    share = report.num_stored / report.num_listed
    sizes = ", ".join(f"{split} {size}" for split, size in report.split_sizes.items())
    lines = [
        f"{report.folder}: {report.num_stored} of {report.num_listed} videos "
        f"({share:.1%}), {report.num_classes} classes; splits: {sizes}"
    ]
    if report.reasons:
        lines += ["", f"{'left out':16} {'videos':>7}  for example"]
        lines += [
            f"{reason:16} {count:7}  {report.examples[reason]}"
            for reason, count in report.reasons.most_common()
        ]
        lines += [
            "",
            f"all of them: {report.folder / 'bad_videos.jsonl'}",
            f"you have {share:.1%} of the list; comparable numbers need the same list",
        ]
    name = report.folder.name
    root = shlex.quote(str(report.folder.parent.resolve()))
    config = shlex.quote(f"configs/slowonly_baseline.py:{name}")
    lines += [
        "",
        "next:",
        f"  DATA_ROOT={root} python main.py --config {config}",
        "for SMAD, label the aspects first, by appearance or with --from FILE:",
        f"  python -m data_prep.pseudo_label --data-root {root} "
        f"--dataset {shlex.quote(name)} --aspect scene --labeller appearance",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        if chosen.reindex:
            return _reindex(chosen.reindex)
        if not (chosen.videos and chosen.name and chosen.out):
            parser.error("--videos, --name and --out are required")
        options = _options(chosen)
        classes = video_lists.read_classes(chosen.classes) if chosen.classes else None
        report = build(
            chosen.videos,
            _source(chosen),
            name=chosen.name,
            out=chosen.out,
            classes=classes,
            options=options,
            recipe=_recipe(chosen),
        )
    except errors.UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nstopped; nothing was left behind", file=sys.stderr)
        return 130
    print(summary(report))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.build_records",
        description="Stores videos and their classes as a data set for training.",
    )
    add = parser.add_argument
    folder = pathlib.Path
    add("--videos", type=folder, help="folder of the videos")
    add("--name", help="name of the data set")
    add("--out", type=folder, help="folder of the data sets")
    add("--list", type=folder, help="lines `relative/path label`; else class folders")
    held = parser.add_mutually_exclusive_group()
    held.add_argument("--val-list", type=folder, help="list of the validation videos")
    held.add_argument(
        "--holdout",
        type=float,
        default=DEFAULT_HOLDOUT,
        help="share of each class held out for validation, 0 for none",
    )
    add("--images", action="store_true", help="class folders hold images, no videos")
    add("--classes", type=folder, help="class names, one a line, in label order")
    add("--num-shards", type=int, default=0, help="files to write; 0: one a 256 MiB")
    add("--check", choices=("decode", "open", "none"), default="decode")
    add("--min-frames", type=int, default=1, help="fewer frames are too few")
    add("--keep-truncated", action="store_true", help="keep what decodes of them")
    add("--jobs", type=int, default=os.cpu_count() or 1, help="files checked at once")
    add("--overwrite", action="store_true", help="replace a data set of that name")
    add("--reindex", type=folder, help="only write the index files of this folder anew")
    return parser


def _options(chosen: argparse.Namespace) -> Options:
    """The options of the command line, checked."""
    _check_name(chosen.name)
    if not 0 <= chosen.holdout < 1:
        raise errors.ConfigError(f"--holdout must be 0 to 1, not {chosen.holdout}")
    if chosen.min_frames > 1 and chosen.check == "none":
        raise errors.ConfigError("--min-frames needs --check decode or open")
    if not chosen.videos.is_dir():
        raise errors.DataError(f"--videos {chosen.videos} is not a folder")
    return Options(
        check=chosen.check,
        min_frames=chosen.min_frames,
        keep_truncated=chosen.keep_truncated,
        holdout=chosen.holdout,
        num_shards=chosen.num_shards,
        num_jobs=max(1, chosen.jobs),
        overwrite=chosen.overwrite,
    )


def _check_name(name: str) -> None:
    """Raises ConfigError if `name` is no folder or configs cannot name it."""
    if name in _TAKEN_NAMES or name.startswith("embedded-seed"):
        raise errors.ConfigError(
            f"--name {name!r} means other data in configs; choose another name"
        )
    wrong = [mark for mark in _NAME_ENDS if mark in name]
    if wrong or name.startswith((".", "-")) or not name.strip() or "\n" in name:
        raise errors.ConfigError(
            f"--name {name!r} must be a plain folder name that configs can name: no "
            "',', '=', ':', '/' or line break, no '.' or '-' in front"
        )


def _source(chosen: argparse.Namespace) -> video_lists.Source:
    if chosen.list is None:
        if chosen.val_list is not None:
            raise errors.ConfigError("--val-list needs --list")
        return video_lists.find_videos(
            chosen.videos,
            video_lists.IMAGE_EXTENSIONS if chosen.images else video_lists.EXTENSIONS,
        )
    if chosen.images:
        raise errors.ConfigError(
            "--images is for class folders; leave it out with --list, which may name "
            "images"
        )
    val = None if chosen.val_list is None else video_lists.read_list(chosen.val_list)
    return video_lists.Source(video_lists.read_list(chosen.list), val)


def _recipe(chosen: argparse.Namespace) -> dict[str, catalog.Json]:
    """How the data set was made, with a hash of each list."""
    recipe: dict[str, catalog.Json] = {"made_by": "data_prep.build_records"}
    for key in ("videos", "list", "val_list", "classes"):
        path = getattr(chosen, key)
        if path is not None:
            recipe[key] = str(path)
            if path.is_file():
                recipe[f"{key}_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    for key in ("images", "holdout", "check", "min_frames", "keep_truncated"):
        recipe[key] = getattr(chosen, key)
    return recipe


def _check_any(
    stored: Mapping[str, int],
    label_of: Mapping[str, int],
    reasons: collections.Counter[str],
) -> None:
    """Raises DataError if not one video is left."""
    if not stored:
        counts = ", ".join(f"{key} {n}" for key, n in reasons.most_common())
        raise errors.DataError(
            f"none of the {len(label_of)} videos can be used: {counts}"
        )


def _write_splits(
    folder: pathlib.Path,
    names: Sequence[str],
    stored: Mapping[str, int],
    held_out: set[str],
) -> dict[str, int]:
    """Writes the lists train, val and all; returns their sizes."""
    train = {id: label for id, label in stored.items() if id not in held_out}
    val = {id: label for id, label in stored.items() if id in held_out}
    video_lists.check_classes(names, train.values(), "after leaving out bad videos, ")
    parts = {"train": train, "val": val, "all": stored}
    parts = {split: part for split, part in parts.items() if part}
    for split, part in parts.items():
        catalog.write_split(folder, split, list(part), list(part.values()))
    return {split: len(part) for split, part in parts.items()}


def _claim(out: pathlib.Path, name: str, *, overwrite: bool) -> pathlib.Path:
    """The data set's folder, free or to be replaced; tidies up after crashes."""
    folder = out / name
    for left in out.glob(f".{glob.escape(name)}.partial-*"):
        if not _is_running(left.name.rpartition("-")[2]):
            shutil.rmtree(left, ignore_errors=True)
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return folder
    if not overwrite:
        raise errors.ConfigError(
            f"{folder} exists; choose another --name or add --overwrite, which also "
            "removes its splits and aspect labels"
        )
    if not (folder / "dataset.json").is_file() and not any(folder.glob("*.tfrecord")):
        raise errors.ConfigError(f"{folder} is no data set; remove it by hand")
    return folder


def _is_running(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        pass
    return True


def _store(
    root: pathlib.Path,
    folder: pathlib.Path,
    label_of: Mapping[str, int],
    options: Options,
) -> tuple[set[str], dict[str, video.VideoError]]:
    """Writes the records and `bad_videos.jsonl`; ids stored, and errors by id."""
    good: set[str] = set()
    bad: dict[str, video.VideoError] = {}
    num_shards = options.num_shards or _num_shards(root, label_of)
    with records.RecordWriter(folder / "videos", num_shards) as writer:
        for id, checked in _progress(
            _check_all(root, list(label_of), options), label_of
        ):
            if checked.error is not None:
                bad[id] = checked.error
                continue
            content, num_frames, _ = checked
            writer.write(records.VideoRecord(id, content, label_of[id], num_frames))
            good.add(id)
    with open(folder / "bad_videos.jsonl", "w", encoding="utf-8") as file:
        for id, error in bad.items():
            line = {"id": id, "reason": error.reason, "detail": error.detail}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return good, bad


def _check_all(
    root: pathlib.Path, ids: Sequence[str], options: Options
) -> Iterator[tuple[str, Checked]]:
    """Checks files at the same time, yields in order; few are in memory at once."""
    with concurrent.futures.ThreadPoolExecutor(options.num_jobs) as pool:
        waiting: collections.deque = collections.deque()
        try:
            for id in ids:
                waiting.append((id, pool.submit(check, root / id, options)))
                if len(waiting) > 2 * options.num_jobs:
                    id, future = waiting.popleft()
                    yield id, future.result()
            while waiting:
                id, future = waiting.popleft()
                yield id, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _progress(
    results: Iterator[tuple[str, Checked]], label_of: Mapping[str, int]
) -> Iterator[tuple[str, Checked]]:
    """Passes `results` on, with a line on stderr every few seconds."""
    total, bad, start = len(label_of), 0, time.monotonic()
    said = start
    for done, result in enumerate(results, start=1):
        yield result
        bad += result[1].error is not None
        now = time.monotonic()
        if now - said > 5 or done == total:
            left = (now - start) / done * (total - done)
            print(
                f"{done} of {total} videos, {bad} left out, {left:.0f} s to go",
                file=sys.stderr,
            )
            said = now


def _num_shards(root: pathlib.Path, ids: Iterable[str]) -> int:
    """One shard for every 256 MiB of video."""
    total = 0
    for id in ids:
        try:
            total += (root / id).stat().st_size
        except OSError:
            continue
    return 1 + total // _SHARD_BYTES


def _publish(partial: pathlib.Path, folder: pathlib.Path) -> None:
    """Puts the finished folder in its place."""
    if folder.exists():
        old = folder.with_name(f"{partial.name}-old")
        os.replace(folder, old)
        os.replace(partial, folder)
        shutil.rmtree(old)
    else:
        os.replace(partial, folder)


def _reindex(folder: pathlib.Path) -> int:
    """Writes the index of every shard in `folder` anew."""
    paths = sorted(folder.glob("*.tfrecord"))
    if not paths:
        raise errors.DataError(f"no *.tfrecord in {folder}")
    for path in paths:
        print(f"{path}: {records.rebuild_index(path)} records")
    return 0


if __name__ == "__main__":
    sys.exit(main())
