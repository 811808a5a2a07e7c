"""Labels the frames of videos by a network.

A video gives 25 frames, the centres of 25 equal parts, an image gives one: short side
256 pixels, central 224. The network's softmax is averaged over them (Sec. 6.1,
App. A.1).
"""

import collections
import functools
import hashlib
import pathlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from smad_jax import errors
from smad_jax.data import records, sampling, transforms, video
from smad_jax.models import labellers
from smad_jax.torch_weights import weights as weight_folders

NUM_FRAMES = 25
_SHORT_SIDE, _SIDE = 256, 224

# uint8 images [B, H, W, 3] to the probabilities [B, Z] of a network.
Classify = Callable[[np.ndarray], np.ndarray]

_loading = threading.Lock()


class Frames(NamedTuple):
    """The network's input of one video: [T, 224, 224, 3] uint8, and [T] weights."""

    pixels: np.ndarray
    weights: np.ndarray


class Looked(NamedTuple):
    """A video after decoding, or why it failed.

    Attributes:
        id: The video's.
        frames: None after a failure.
        reason: Of the failure, one of `video_facts.REASONS` or `damaged_record`.
        detail: Of the failure, in words.
        seconds: Time of reading and decoding.
    """

    id: str
    frames: Frames | None
    reason: str
    detail: str
    seconds: float


class Weights(NamedTuple):
    """Z of a labeller's weights, and a digest that identifies them."""

    num_labels: int
    digest: str


def check_weights(folder: pathlib.Path, labeller: str) -> Weights:
    """Returns Z and digest of a folder of weights.

    Raises:
        ConfigError: if they are not those of `labeller`, or have no head.
        DataError: if the folder is missing or damaged.
    """
    arrays, manifest = weight_folders.load_arrays(folder)
    if manifest.network.name != labeller:
        raise errors.ConfigError(
            f"the weights in {folder} are of {manifest.network.name!r}, not of "
            f"{labeller!r}"
        )
    if manifest.network.num_classes is None:
        raise errors.ConfigError(
            f"the weights in {folder} have no head, so they give no labels"
        )
    digest = hashlib.sha256()
    for path in sorted(arrays):
        digest.update(path.encode())
        digest.update(arrays[path].tobytes())
    return Weights(manifest.network.num_classes, digest.hexdigest())


def load_network(weights: pathlib.Path, labeller: str) -> Classify:
    """Returns a labeller as a function, loaded once a process.

    Raises:
        DataError: if the folder is missing or damaged.
    """
    with _loading:  # threads of a runner may call at the same time
        return _load(weights, labeller)


@functools.lru_cache(maxsize=1)
def _load(weights: pathlib.Path, labeller: str) -> Classify:
    model = weight_folders.load_model(weights)

    @nnx.jit
    def probabilities(model: nnx.Module, images: jax.Array) -> jax.Array:
        pixels = labellers.normalise(labeller, images[:, None])
        return jax.nn.softmax(model(pixels, train=False).logits)

    return lambda images: np.asarray(probabilities(model, jnp.asarray(images)))


def look_at(reader: records.RecordReader, position: int, num_frames: int) -> Looked:
    """Returns the frames of a stored video, `num_frames` or fewer, or the failure."""
    start = time.perf_counter()
    frames, reason, detail = None, "", ""
    try:
        stored = reader.video(position)
        frames = _frames_of(stored.video, stored.num_frames, num_frames)
    except video.VideoError as error:
        reason, detail = error.reason, error.detail
    except errors.DataError as error:
        reason, detail = "damaged_record", str(error)
    seconds = time.perf_counter() - start
    return Looked(reader.ids[position], frames, reason, detail, seconds)


def _frames_of(content: bytes, num_frames: int, count: int) -> Frames:
    """`count` frames of a video, each once: an image, or a short one, has fewer."""
    if num_frames <= 0:  # stored without being checked
        num_frames = video.probe(content).num_frames
    indices, repeats = np.unique(
        sampling.test_frames(num_frames, count=count), return_counts=True
    )
    frames = video.decode(content, indices, num_frames=num_frames)
    frames = transforms.resize_short_side(frames, _SHORT_SIDE)
    weights = (repeats / count).astype(np.float32)
    return Frames(transforms.centre_crop(frames, _SIDE), weights)


def average(
    videos: Iterator[tuple[str, Frames]],
    classify: Classify,
    batch_size: int,
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields id and [Z] averaged softmax of each video, in order.

    Frames of several videos share a batch of `batch_size` images and a video may span
    several, so all batches are full and of one shape; only the last is padded.
    """
    waiting: collections.deque[tuple[str, int]] = collections.deque()
    pixels = np.zeros((batch_size, _SIDE, _SIDE, 3), np.uint8)
    filled = 0
    outputs: list[np.ndarray] = []  # weighted rows of frames not yet summed up
    shares = np.zeros(batch_size, np.float32)

    def classify_batch() -> Iterator[tuple[str, np.ndarray]]:
        nonlocal filled
        outputs.extend(classify(pixels)[:filled] * shares[:filled, None])
        filled = 0
        while waiting and waiting[0][1] <= len(outputs):
            id, count = waiting.popleft()
            yield id, np.sum(outputs[:count], axis=0)
            del outputs[:count]

    for id, frames in videos:
        waiting.append((id, len(frames.pixels)))
        for frame, weight in zip(*frames, strict=True):
            pixels[filled], shares[filled] = frame, weight
            filled += 1
            if filled == batch_size:
                yield from classify_batch()
    if filled:
        pixels[filled:] = 0
        yield from classify_batch()
