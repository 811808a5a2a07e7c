"""Renders, encodes, labels and stores the embedded benchmark, on all cores."""

import concurrent.futures
import functools
import io
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import av
import av.video.reformatter
import cv2
import numpy as np

from smad_jax.data import aspect_records, label_names, records, video
from smad_jax.data.embedded import benchmark, look

Log = Callable[[str], object]
Label = Callable[[np.ndarray], np.ndarray]  # frames [V, H, W, 3] to [V, Z]

VERSION = 1  # of pictures, encoding and labels; a new one makes every data set again
# Random streams of the sets: a number in use never changes its meaning, or existing
# data sets would no longer be those of their recipe.
STREAMS = {"pool": 0, "iid": 1, "rare": 2, "clip": 4, "image": 5, "oracle": 6}
_STILLS_STREAM = 3
_IMAGES = ("image",)  # sets of one frame, stored as PNG
_NUM_SHARDS = 4
_NAMES = {"scene": benchmark.SCENES, "object": benchmark.OBJECTS}
_CHUNK = 100  # videos a task
# Chunks before a labeller: late enough that the stills exist, early enough not to run
# alone at the end, one after the other so that progress is visible.
_TRAIN_AFTER = {"object": 10, "scene": 35}


class Chunk(NamedTuple):
    """Some consecutive videos of one set, encoded and decoded again."""

    videos: list[bytes]
    frames: np.ndarray  # [V, 2, 32, 32, 3] uint8, decoded, for the labellers
    actor: np.ndarray  # [V, T, H, W / 8] uint8, packed; images repeat theirs


class _Stills(NamedTuple):
    """Pictures that the labellers learn from, and their labels."""

    frames: np.ndarray
    scene: np.ndarray
    object: np.ndarray


class Made(NamedTuple):
    """All that takes long: the encoded videos in order, and the labellers."""

    chunks: list[Chunk]
    labellers: dict[str, Label]


class Stored(NamedTuple):
    """V stored videos.

    Attributes:
        ids: [V] ids, set after set.
        pseudo_labels: By aspect, [V, Z] soft labels.
        labeller_accuracy: By aspect, the share of videos whose label is correct.
    """

    ids: list[str]
    pseudo_labels: dict[str, np.ndarray]
    labeller_accuracy: dict[str, float]


def encode(frames: np.ndarray, how: look.Look = benchmark.FIRST_LOOK) -> bytes:
    """Returns frames [T, H, W, 3] uint8 RGB as an MP4 file (H.264) of one second.

    Colour has full resolution in the first look: at 32 pixels the usual half resolution
    loses arms and objects (mean error 9 levels against 4). Equal frames give equal
    bytes.
    """
    # mbtree is not reproducible on small pictures, even with one thread
    options = {
        "crf": str(how.crf),
        "preset": "superfast",
        "x264-params": "threads=1:no-mbtree=1",
    }
    buffer = io.BytesIO()
    reformatter = av.video.reformatter.VideoReformatter()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=how.num_frames, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = how.pixel_format
        stream.codec_context.thread_count = 1
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture = reformatter.reformat(picture, format=how.pixel_format, threads=1)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return buffer.getvalue()


def encode_image(frame: np.ndarray) -> bytes:
    """Returns a frame [H, W, 3] uint8 RGB as a PNG file, without loss."""
    return cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))[1].tobytes()


def store(
    folder: pathlib.Path,
    sets: Mapping[str, benchmark.Factors],
    labels: Mapping[str, np.ndarray],
    num_stills: int,
    seed: int,
    progress: Log,
    how: look.Look = benchmark.FIRST_LOOK,
) -> Stored:
    """Makes all videos of a data set; writes records, aspect labels and the truth.

    Args:
        folder: The data set's, empty.
        sets: Contents of the videos of each set; its name is one of `STREAMS`.
        labels: By set, [V] class of each record.
        num_stills: Pictures to train each labeller on. With the seed they determine
            the labellers, so those of two data sets can be the same.
        seed: Random seed of everything.
        progress: Receives progress, one line at a time.
        how: How the videos look.
    """
    made = make(sets, num_stills, seed, progress, how)
    ids = [
        f"{name}-{number:05}"
        for name, factors in sets.items()
        for number in range(len(factors.action))
    ]
    lengths = [
        1 if name in _IMAGES else how.num_frames
        for name, factors in sets.items()
        for _ in factors.action
    ]
    files = [file for chunk in made.chunks for file in chunk.videos]
    classes = np.concatenate([labels[name] for name in sets]).tolist()
    with records.RecordWriter(folder / "videos", _NUM_SHARDS) as writer:
        for row in zip(ids, files, classes, lengths, strict=True):
            writer.write(records.VideoRecord(*row))
    _write_factors(folder / "factors.npz", ids, sets, made.chunks)
    values, right = _label(made, sets)
    for name, rows in values.items():
        aspect_records.write(folder, name, ids, rows)
        label_names.store(folder, name, _NAMES[name])
    return Stored(ids, values, right)


def _label(
    made: Made, sets: Mapping[str, benchmark.Factors]
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Pseudo-labels [V, Z] of both aspects, and the share of correct ones."""
    frames = np.concatenate([chunk.frames for chunk in made.chunks])
    flat = frames.reshape(-1, *frames.shape[2:])
    values, right = {}, {}
    for name, label in made.labellers.items():
        values[name] = label(flat).reshape(*frames.shape[:2], -1).mean(axis=1)
        truth = np.concatenate([getattr(factors, name) for factors in sets.values()])
        there = truth != benchmark.NONE
        right[name] = float((values[name].argmax(1) == truth)[there].mean())
    return values, right


def _write_factors(
    path: pathlib.Path,
    ids: Sequence[str],
    sets: Mapping[str, benchmark.Factors],
    chunks: Sequence[Chunk],
) -> None:
    """Writes the truth: labels of every video, and the actor's pixels."""
    truth = {
        name: np.concatenate([getattr(factors, name) for factors in sets.values()])
        for name in ("action", "scene", "object")
    }
    actor = np.concatenate([chunk.actor for chunk in chunks])
    np.savez_compressed(
        path, allow_pickle=False, ids=np.array(ids), actor=actor, **truth
    )


def make(
    sets: Mapping[str, benchmark.Factors],
    num_stills: int,
    seed: int,
    progress: Log,
    how: look.Look,
) -> Made:
    """Renders, encodes and trains in threads: NumPy, x264 and XLA release the lock."""
    with concurrent.futures.ThreadPoolExecutor(max(2, _num_cores())) as pool:
        stills = pool.submit(_make_stills, num_stills, seed, how)
        tasks, training = [], {}
        for name, factors in sets.items():
            for start in range(0, len(factors.scene), _CHUNK):
                part = benchmark.Factors(
                    *(values[start : start + _CHUNK] for values in factors)
                )
                make_chunk = _make_images if name in _IMAGES else _make_chunk
                tasks.append(
                    pool.submit(
                        make_chunk,
                        part,
                        seed=seed,
                        stream=STREAMS[name],
                        start=start,
                        how=how,
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
            return Made(chunks, {name: run.result() for name, run in training.items()})
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _make_chunk(
    factors: benchmark.Factors, *, seed: int, stream: int, start: int, how: look.Look
) -> Chunk:
    clips = benchmark.render(factors, seed=seed, stream=stream, start=start, how=how)
    videos = [encode(frames, how) for frames in clips.video]
    seen = (0, how.num_frames // 2)
    frames = np.stack([_reduced(video.decode(file, seen)) for file in videos])
    return Chunk(videos, frames, np.packbits(clips.actor, axis=-1))


def _make_images(
    factors: benchmark.Factors, *, seed: int, stream: int, start: int, how: look.Look
) -> Chunk:
    still = how._replace(num_frames=1)
    clips = benchmark.render(factors, seed=seed, stream=stream, start=start, how=still)
    files = [encode_image(frames[0]) for frames in clips.video]
    actor = clips.actor.repeat(how.num_frames, axis=1)
    frames = np.stack([_reduced(frames) for frames in clips.video])
    return Chunk(files, frames.repeat(2, axis=1), np.packbits(actor, axis=-1))


def _make_stills(num_stills: int, seed: int, how: look.Look) -> _Stills:
    """Single frames, uniform in scene and object, every second one with an actor."""
    rng = np.random.default_rng((seed, _STILLS_STREAM))
    action = rng.integers(0, len(benchmark.ACTIONS), num_stills)
    action[1::2] = benchmark.NONE
    scene = rng.integers(0, len(benchmark.SCENES), num_stills)
    thing = rng.integers(0, len(benchmark.OBJECTS), num_stills)
    factors = benchmark.Factors(action, scene, thing)
    frames = np.empty((num_stills, look.UNITS, look.UNITS, 3), np.uint8)
    for start in range(0, num_stills, _CHUNK):
        rows = slice(start, start + _CHUNK)
        clips = benchmark.render(
            benchmark.Factors(*(values[rows] for values in factors)),
            seed=seed,
            stream=_STILLS_STREAM,
            start=start,
            how=how._replace(num_frames=1),
        )
        frames[rows] = _reduced(clips.video[:, 0])
    return _Stills(frames, scene, thing)


def _reduced(frames: np.ndarray) -> np.ndarray:
    """[N, H, W, 3] uint8 at the labellers' 32 pixels."""
    size = (look.UNITS, look.UNITS)
    if frames.shape[1:3] == size:
        return frames
    return np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in frames])


def _train_labeller(
    name: str, stills: "concurrent.futures.Future[_Stills]", seed: int
) -> Label:
    from data_prep.embedded import small_labellers  # JAX: not before it is needed

    pictures = stills.result()
    labels = pictures.scene if name == "scene" else pictures.object
    plan = small_labellers.PLANS[name]
    labeller = small_labellers.train(
        pictures.frames, labels, len(_NAMES[name]), plan, seed=seed
    )
    return functools.partial(small_labellers.probabilities, labeller)


def _watched(
    tasks: "Sequence[concurrent.futures.Future[Chunk]]", progress: Log
) -> Iterator[Chunk]:
    """The tasks' results in order; reports every tenth of the way."""
    for number, task in enumerate(tasks, start=1):
        yield task.result()
        if number * 10 // len(tasks) > (number - 1) * 10 // len(tasks):
            progress(f"rendered and encoded {100 * number // len(tasks)} %")


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
