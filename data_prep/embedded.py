"""Makes the embedded benchmark: 5,900 biased videos, labelled and split, in a minute.

    python -m data_prep.embedded --seed 0 --out DATA_ROOT

Renders a pool, a held-out set of the same bias (`iid`) and a set in scenes never
trained on (`rare`, the analogue of ARAS); stores them as encoded video; lets two small
networks pseudo-label them; and splits the pool by pseudo-scene (App. A.1) into
`train` and `tail`, the analogues of K200db-train and K200db-val. Another seed is
another benchmark: tune on one, report on others.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import fcntl
import io
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import av
import av.video.reformatter
import cv2
import numpy as np

from data_prep import embedded_labellers, k200db, z_frequency
from smad_jax import aspects, errors
from smad_jax.data import catalog, embedded, records, video

Log = Callable[[str], object]

_VERSION = 1  # of pictures, encoding and labels; a new one makes everything anew
_STREAMS = {"pool": 0, "iid": 1, "rare": 2}
_STILLS_STREAM = 3
_LABELLED_FRAMES = (0, 2)  # of each video, as pseudo-labels average over frames
_CHUNK = 100  # videos a task
# Chunks before a labeller: late enough that the stills are there, early enough not to
# run alone at the end, one after the other so that progress can be seen.
_TRAIN_AFTER = {"object": 10, "scene": 35}
_NUM_SHARDS = 4


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Numbers of videos.

    Attributes:
        pool: Videos to be split into train and tail.
        iid: Held-out videos of the pool's distribution.
        rare: Videos in the rare scenes.
        tail_per_class: Tail has at least so many videos of each class.
        train_per_class: Train has exactly so many.
        stills: Pictures to train each labeller on.
    """

    pool: int = 4500
    iid: int = 800
    rare: int = 600
    tail_per_class: int = 60
    train_per_class: int = 250
    stills: int = 5000

    def scaled(self, share: float) -> "Sizes":
        """Returns sizes of about `share` times as many videos, for quick trials."""
        return Sizes(*(max(1, round(share * n)) for n in dataclasses.astuple(self)))


class _Chunk(NamedTuple):
    """Some consecutive videos of one set, stored and looked at again."""

    videos: list[bytes]
    frames: np.ndarray  # [V, frames, H, W, 3] uint8, decoded
    actor: np.ndarray  # [V, T, H, W / 8] uint8, packed


class _Stills(NamedTuple):
    """Pictures that the labellers learn from, and what they show."""

    frames: np.ndarray
    scene: np.ndarray
    object: np.ndarray


def encode(frames: np.ndarray) -> bytes:
    """Returns frames [T, H, W, 3] uint8 RGB as an MP4 file (H.264), 4 frames a second.

    Full colour resolution: at 32 pixels the usual halved one loses arms and objects
    (mean error 9 levels against 4). Equal frames give equal bytes.
    """
    # mbtree is not reproducible on small pictures, even with one thread
    options = {
        "crf": "12",
        "preset": "superfast",
        "x264-params": "threads=1:no-mbtree=1",
    }
    buffer = io.BytesIO()
    reformatter = av.video.reformatter.VideoReformatter()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=4, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv444p"
        stream.codec_context.thread_count = 1
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture = reformatter.reformat(picture, format="yuv444p", threads=1)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return buffer.getvalue()


def _make_chunk(
    factors: embedded.Factors, *, seed: int, stream: int, start: int
) -> _Chunk:
    clips = embedded.render(factors, seed=seed, stream=stream, start=start)
    videos = [encode(frames) for frames in clips.video]
    frames = np.stack([video.decode(file, _LABELLED_FRAMES) for file in videos])
    return _Chunk(videos, frames, np.packbits(clips.actor, axis=-1))


def _draw_sets(
    sizes: Sizes, bias: embedded.Bias, seed: int
) -> dict[str, embedded.Factors]:
    """What each set shows."""
    return {
        "pool": embedded.draw_factors(
            sizes.pool, seed=seed, stream=_STREAMS["pool"], bias=bias
        ),
        "iid": embedded.draw_factors(
            sizes.iid, seed=seed, stream=_STREAMS["iid"], bias=bias
        ),
        "rare": embedded.draw_rare_factors(
            sizes.rare, seed=seed, stream=_STREAMS["rare"]
        ),
    }


def _make_stills(num_stills: int, seed: int) -> _Stills:
    """Single frames, uniform in scene and object, every second one with an actor."""
    rng = np.random.default_rng((seed, _STILLS_STREAM))
    action = rng.integers(0, len(embedded.ACTIONS), num_stills)
    action[1::2] = embedded.NONE
    scene = rng.integers(0, len(embedded.SCENES), num_stills)
    thing = rng.integers(0, len(embedded.OBJECTS), num_stills)
    clips = embedded.render(
        embedded.Factors(action, scene, thing),
        seed=seed,
        stream=_STILLS_STREAM,
        num_frames=1,
    )
    return _Stills(clips.video[:, 0], scene, thing)


def _train_labeller(
    name: str, stills: "concurrent.futures.Future[_Stills]", seed: int
) -> embedded_labellers.Labeller:
    pictures = stills.result()
    labels, names = {
        "scene": (pictures.scene, embedded.SCENES),
        "object": (pictures.object, embedded.OBJECTS),
    }[name]
    return embedded_labellers.train(
        pictures.frames,
        labels,
        len(names),
        embedded_labellers.PLANS[name],
        seed=seed,
    )


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Made(NamedTuple):
    """Everything that takes long: the stored videos in order, and the labellers."""

    chunks: list[_Chunk]
    labellers: dict[str, embedded_labellers.Labeller]


def _make(
    sets: dict[str, embedded.Factors], sizes: Sizes, seed: int, progress: Log
) -> _Made:
    """Renders, encodes and trains with all cores; NumPy, x264 and XLA free the lock."""
    with concurrent.futures.ThreadPoolExecutor(max(2, _num_cores())) as pool:
        stills = pool.submit(_make_stills, sizes.stills, seed)
        tasks, training = [], {}
        for name, factors in sets.items():
            for start in range(0, len(factors.scene), _CHUNK):
                part = embedded.Factors(
                    *(values[start : start + _CHUNK] for values in factors)
                )
                stream = _STREAMS[name]
                tasks.append(
                    pool.submit(
                        _make_chunk, part, seed=seed, stream=stream, start=start
                    )
                )
                for aspect, number in _TRAIN_AFTER.items():
                    if len(tasks) == number:
                        training[aspect] = pool.submit(
                            _train_labeller, aspect, stills, seed
                        )
        for aspect in _TRAIN_AFTER:
            if aspect not in training:
                training[aspect] = pool.submit(_train_labeller, aspect, stills, seed)
        try:
            chunks = list(_watched(tasks, progress))
            progress("all videos are stored; the labellers finish learning")
            return _Made(chunks, {name: run.result() for name, run in training.items()})
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _watched(
    tasks: "Sequence[concurrent.futures.Future[_Chunk]]", progress: Log
) -> Iterator[_Chunk]:
    """The tasks' results in order, with a word every tenth of the way."""
    for number, task in enumerate(tasks, start=1):
        yield task.result()
        if number * 10 // len(tasks) > (number - 1) * 10 // len(tasks):
            progress(f"rendered and encoded {100 * number // len(tasks)} %")


def _label(
    made: _Made, sets: dict[str, embedded.Factors]
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Pseudo-labels [V, Z] of both aspects, and the share of them that are right."""
    frames = np.concatenate([chunk.frames for chunk in made.chunks])
    flat = frames.reshape(-1, *frames.shape[2:])
    values, right = {}, {}
    for name, labeller in made.labellers.items():
        each = embedded_labellers.probabilities(labeller, flat)
        values[name] = each.reshape(*frames.shape[:2], -1).mean(axis=1)
        truth = np.concatenate([getattr(factors, name) for factors in sets.values()])
        there = truth != embedded.NONE
        right[name] = float((values[name].argmax(1) == truth)[there].mean())
    return values, right


def _write_factors(
    path: pathlib.Path,
    ids: Sequence[str],
    sets: dict[str, embedded.Factors],
    chunks: Sequence[_Chunk],
) -> None:
    """The truth: labels of every video, and which pixels are the actor's."""
    truth = {
        name: np.concatenate([getattr(factors, name) for factors in sets.values()])
        for name in embedded.Factors._fields
    }
    actor = np.concatenate([chunk.actor for chunk in chunks])
    np.savez_compressed(
        path,
        ids=np.array(ids),
        actor=actor,
        action=truth["action"],
        scene=truth["scene"],
        object=truth["object"],
    )


def _write_splits(
    folder: pathlib.Path,
    sets: dict[str, embedded.Factors],
    ids: list[str],
    scene: np.ndarray,
    sizes: Sizes,
    seed: int,
) -> dict[str, float]:
    """Writes all splits; returns NMI of action and pseudo-scene for three of them."""
    actions = np.concatenate([factors.action for factors in sets.values()])
    start = 0
    for name, factors in sets.items():
        stop = start + len(factors.action)
        catalog.write_split(folder, name, ids[start:stop], actions[start:stop])
        start = stop
    pool = slice(0, sizes.pool)
    parts = k200db.redistribute(
        ids[pool],
        actions[pool],
        scene[pool],
        embedded.ACTIONS,
        k200db.Sizes(sizes.tail_per_class, sizes.train_per_class),
        seed=seed,
    )
    for name, rows in (("train", parts.train), ("tail", parts.val)):
        catalog.write_split(folder, name, [ids[row] for row in rows], actions[rows])
    return {
        name: z_frequency.normalized_mutual_information(actions[rows], scene[rows])
        for name, rows in (
            ("pool", np.arange(sizes.pool)),
            ("train", parts.train),
            ("tail", parts.val),
        )
    }


def _fill(
    folder: pathlib.Path,
    seed: int,
    sizes: Sizes,
    bias: embedded.Bias,
    progress: Log,
) -> None:
    """Writes everything but `dataset.json` into an empty folder."""
    sets = _draw_sets(sizes, bias, seed)
    made = _make(sets, sizes, seed, progress)
    ids = [
        f"{name}-{number:05}"
        for name, factors in sets.items()
        for number in range(len(factors.action))
    ]
    actions = np.concatenate([factors.action for factors in sets.values()])
    files = [file for chunk in made.chunks for file in chunk.videos]
    with records.RecordWriter(folder / "videos", _NUM_SHARDS) as writer:
        for id, file, action in zip(ids, files, actions, strict=True):
            writer.write(
                records.VideoRecord(id, file, int(action), embedded.NUM_FRAMES)
            )
    _write_factors(folder / "factors.npz", ids, sets, made.chunks)
    values, right = _label(made, sets)
    for name, rows in values.items():
        records.write_aspect(folder, name, ids, rows)
    nmi = _write_splits(folder, sets, ids, values["scene"].argmax(1), sizes, seed)
    report = {"labeller_accuracy": right, "nmi_action_scene": nmi}
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    progress(
        f"labels right: scene {right['scene']:.1%}, object {right['object']:.1%}; "
        f"NMI of action and scene: pool {nmi['pool']:.3f}, train {nmi['train']:.3f}, "
        f"tail {nmi['tail']:.3f}"
    )


def _aspects() -> dict[str, aspects.Aspect]:
    source = "a small {} network trained on rendered still pictures"
    return {
        "scene": aspects.Aspect(
            "scene", "soft", len(embedded.SCENES), source.format("mean-pooling")
        ),
        "object": aspects.Aspect(
            "object", "soft", len(embedded.OBJECTS), source.format("max-pooling")
        ),
    }


def _is_cached(folder: pathlib.Path, recipe: catalog.Json, log: Log) -> bool:
    """Whether `folder` holds what this recipe makes."""
    if not folder.exists():
        return False
    if not (folder / "dataset.json").is_file():
        raise errors.DataError(
            f"{folder} exists but is no data set (it has no dataset.json); remove it"
        )
    if catalog.read_dataset_file(folder).recipe == recipe:
        return True
    log(f"{folder.name} was made by another recipe; it is made anew")
    return False


def prepare(
    data_root: str | os.PathLike[str],
    seed: int,
    *,
    log: Log = print,
    scale: float = 1.0,
    sizes: Sizes | None = None,
    bias: embedded.Bias | None = None,
) -> pathlib.Path:
    """Makes the benchmark of one seed, unless it is there; returns its folder.

    The folder appears only when it is complete. It holds the splits `train`, `tail`,
    `iid`, `rare` and `pool`, the aspects `scene` and `object`, the truth in
    `factors.npz` (`action`, `scene`, `object`, and `actor`, bits packed along the last
    axis) and measured biases in `report.json`.

    Args:
        data_root: Folder of the data sets.
        seed: At least 0; another seed shares no video.
        log: Told about progress, one line at a time.
        scale: Share of the benchmark's videos to make; part of the folder's name.
        sizes: Numbers of videos; by default the benchmark's.
        bias: How far the scene betrays the action; by default the benchmark's.

    Raises:
        DataError: if the folder is taken by something else, or the sizes leave a class
            too small to split.
    """
    if seed < 0:
        raise errors.ConfigError(f"seed must be at least 0, not {seed}")
    sizes, bias = sizes or Sizes().scaled(scale), bias or embedded.Bias()
    recipe = json.loads(
        json.dumps(
            {
                "maker": "data_prep.embedded",
                "version": _VERSION,
                "seed": seed,
                "sizes": dataclasses.asdict(sizes),
                "bias": dataclasses.asdict(bias),
            }
        )
    )
    root = pathlib.Path(data_root)
    folder = root / embedded.folder_name(seed, scale)
    if _is_cached(folder, recipe, log):
        return folder
    root.mkdir(parents=True, exist_ok=True)
    with _alone(root / f".{folder.name}.lock", log):
        if not _is_cached(folder, recipe, lambda _: None):
            _build(folder, seed, sizes, bias, recipe, log)
    return folder


def _build(
    folder: pathlib.Path,
    seed: int,
    sizes: Sizes,
    bias: embedded.Bias,
    recipe: Mapping[str, catalog.Json],
    log: Log,
) -> None:
    """Makes the data set beside its place and moves it there when it is complete."""
    began = time.monotonic()

    def progress(text: str) -> None:
        log(f"{folder.name}: {text} ({time.monotonic() - began:.0f} s)")

    num_videos = sizes.pool + sizes.iid + sizes.rare
    progress(f"making {num_videos} videos, about a minute on two cores, once")
    prefix = f".{folder.name}-"
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=prefix) as scratch:
        made = pathlib.Path(scratch) / folder.name
        made.mkdir()
        _fill(made, seed, sizes, bias, progress)
        catalog.write_dataset_file(
            made,
            name=folder.name,
            classes=embedded.ACTIONS,
            num_videos=num_videos,
            aspects=_aspects(),
            recipe=recipe,
        )
        if folder.exists():
            shutil.move(folder, pathlib.Path(scratch) / "old")
        os.rename(made, folder)
    progress(f"ready in {folder}")


@contextlib.contextmanager
def _alone(path: pathlib.Path, log: Log) -> Iterator[None]:
    """Waits until no other process makes the same data set."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log(f"waiting for the process that holds {path}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def contact_sheet(
    folder: pathlib.Path, *, columns: int = 4, zoom: int = 3
) -> np.ndarray:
    """Returns [H, W, 3] uint8 RGB: stored videos of each action, rare scenes last.

    Args:
        folder: A data set that `prepare` made.
        columns: Videos in a row, half of them from `pool` and half from `rare`.
        zoom: Screen pixels for each stored one.
    """
    rows = []
    splits = [
        catalog.open_split(folder.parent, folder.name, name)
        for name in ("pool", "rare")
    ]
    truth = np.load(folder / "factors.npz")
    place = {id: row for row, id in enumerate(truth["ids"].tolist())}
    for action in range(len(embedded.ACTIONS)):
        cells = []
        for split, count in zip(
            splits, (columns - columns // 2, columns // 2), strict=True
        ):
            for index in np.flatnonzero(split.labels == action)[:count]:
                row = place[split.ids[index]]
                words = [embedded.ACTIONS[action], embedded.SCENES[truth["scene"][row]]]
                if (thing := truth["object"][row]) != embedded.NONE:
                    words.append(embedded.OBJECTS[thing])
                cells.append(_cell(split.video(int(index)).video, words, zoom))
        rows.append(np.concatenate(cells, axis=1))
    return np.concatenate(rows)


def _cell(file: bytes, words: Sequence[str], zoom: int) -> np.ndarray:
    """The frames of a video side by side under a caption."""
    frames = video.decode(file, range(embedded.NUM_FRAMES))
    strip = np.concatenate(list(frames), axis=1).repeat(zoom, 0).repeat(zoom, 1)
    strip = np.pad(strip, ((16, 2), (0, 8), (0, 0)), constant_values=255)
    ink = (0, 0, 0)
    return cv2.putText(
        strip, " / ".join(words), (1, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, ink
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.embedded",
        description="Makes the embedded benchmark, unless it is there already.",
    )
    parser.add_argument("--seed", type=int, default=0, help="which benchmark")
    parser.add_argument(
        "--out", type=pathlib.Path, required=True, help="folder of the data sets"
    )
    parser.add_argument("--sheet", type=pathlib.Path, help="write pictures as this PNG")
    chosen = parser.parse_args(arguments)
    try:
        folder = prepare(chosen.out, chosen.seed)
    except errors.UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if chosen.sheet:
        picture = cv2.cvtColor(contact_sheet(folder), cv2.COLOR_RGB2BGR)
        encoded = cv2.imencode(".png", picture)[1]
        chosen.sheet.write_bytes(encoded.tobytes())
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
