"""Renders, encodes and labels the videos of the embedded benchmark, on all cores."""

import concurrent.futures
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import av
import av.video.reformatter
import numpy as np

from data_prep import embedded_labellers
from smad_jax.data import embedded, video

Log = Callable[[str], object]

STREAMS = {"pool": 0, "iid": 1, "rare": 2}  # random streams of the sets
_STILLS_STREAM = 3
_LABELLED_FRAMES = (0, 2)  # of each video, as pseudo-labels average over frames
_CHUNK = 100  # videos a task
# Chunks before a labeller: late enough that the stills are there, early enough not to
# run alone at the end, one after the other so that progress can be seen.
_TRAIN_AFTER = {"object": 10, "scene": 35}


class Chunk(NamedTuple):
    """Some consecutive videos of one set, stored and looked at again."""

    videos: list[bytes]
    frames: np.ndarray  # [V, frames, H, W, 3] uint8, decoded
    actor: np.ndarray  # [V, T, H, W / 8] uint8, packed


class _Stills(NamedTuple):
    """Pictures that the labellers learn from, and what they show."""

    frames: np.ndarray
    scene: np.ndarray
    object: np.ndarray


class Made(NamedTuple):
    """Everything that takes long: the stored videos in order, and the labellers."""

    chunks: list[Chunk]
    labellers: dict[str, embedded_labellers.Labeller]


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


def make(
    sets: Mapping[str, embedded.Factors], num_stills: int, seed: int, progress: Log
) -> Made:
    """Renders, encodes and trains with all cores; NumPy, x264 and XLA free the lock."""
    with concurrent.futures.ThreadPoolExecutor(max(2, _num_cores())) as pool:
        stills = pool.submit(_make_stills, num_stills, seed)
        tasks, training = [], {}
        for name, factors in sets.items():
            for start in range(0, len(factors.scene), _CHUNK):
                part = embedded.Factors(
                    *(values[start : start + _CHUNK] for values in factors)
                )
                stream = STREAMS[name]
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
            return Made(chunks, {name: run.result() for name, run in training.items()})
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _make_chunk(
    factors: embedded.Factors, *, seed: int, stream: int, start: int
) -> Chunk:
    clips = embedded.render(factors, seed=seed, stream=stream, start=start)
    videos = [encode(frames) for frames in clips.video]
    frames = np.stack([video.decode(file, _LABELLED_FRAMES) for file in videos])
    return Chunk(videos, frames, np.packbits(clips.actor, axis=-1))


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


def _watched(
    tasks: "Sequence[concurrent.futures.Future[Chunk]]", progress: Log
) -> Iterator[Chunk]:
    """The tasks' results in order, with a word every tenth of the way."""
    for number, task in enumerate(tasks, start=1):
        yield task.result()
        if number * 10 // len(tasks) > (number - 1) * 10 // len(tasks):
            progress(f"rendered and encoded {100 * number // len(tasks)} %")


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
