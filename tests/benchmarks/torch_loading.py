"""The loader that one would write in PyTorch: a data set of clips for a DataLoader.

Sampling and transforms are those of MMAction2: the short side resized to 256 pixels, a
random resized crop, a mirror image at random, and the normalisation, which its older
releases do here and its newer ones on the device.
"""

import dataclasses
import importlib
import io
import math
import pathlib
from collections.abc import Callable, Sequence
from typing import Literal

import av
import av.video.reformatter
import cv2
import numpy as np
import torch
from torch.utils import data

Decoder = Callable[[pathlib.Path, Sequence[int]], list[np.ndarray]]

STRIDE, NUM_FRAMES = 8, 8
MEAN = np.array([123.675, 116.28, 103.53], np.float32)
STD = np.array([58.395, 57.12, 57.375], np.float32)


def from_pyav(path: pathlib.Path, indices: Sequence[int]) -> list[np.ndarray]:
    """Returns frames of a video at rising numbers, by one seek and decoding."""
    return pyav_frames(path.read_bytes(), indices)


def pyav_frames(content: bytes, indices: Sequence[int]) -> list[np.ndarray]:
    """Returns frames of a video with a constant rate: [H, W, 3] uint8 RGB each."""
    found, wanted = [], set(indices)
    # One for all frames, and without threads, which takes a third of the time.
    reformatter = av.video.reformatter.VideoReformatter()
    with av.open(io.BytesIO(content), "r") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        if stream.average_rate is None or stream.time_base is None:
            raise ValueError("the video has no constant rate")
        ticks = float(1 / (stream.average_rate * stream.time_base))
        container.seek(round(indices[0] * ticks), stream=stream)
        for frame in container.decode(stream):
            number = round((frame.pts or 0) / ticks)
            if number in wanted:
                rgb = reformatter.reformat(frame, format="rgb24", threads=1)
                found.append(rgb.to_ndarray())
            if number >= indices[-1]:
                break
    return found


def from_decord(path: pathlib.Path, indices: Sequence[int]) -> list[np.ndarray]:
    """Returns the same frames from decord, as MMAction2's DecordDecode does."""
    decord = importlib.import_module("decord")  # has no types, and not every wheel
    reader = decord.VideoReader(io.BytesIO(path.read_bytes()), num_threads=1)
    return list(reader.get_batch(indices).asnumpy())


def from_files(folder: pathlib.Path, indices: Sequence[int]) -> list[np.ndarray]:
    """Returns the same frames from a folder of JPEG files, as RawFrameDecode does."""
    contents = ((folder / f"img_{n + 1:05}.jpg").read_bytes() for n in indices)
    return [jpeg(content) for content in contents]


def jpeg(content: bytes) -> np.ndarray:
    """Returns the picture of a JPEG file: [H, W, 3] uint8 RGB."""
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError("this is no picture")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


@dataclasses.dataclass(frozen=True)
class Clips(data.Dataset):
    """Random clips of files, `num_clips` an epoch; an index is a clip's random seed.

    Attributes:
        files: Of videos, or folders of frames.
        decode: Reads frames of one of them.
        num_frames: In each file.
        size: Side of the clip, in pixels.
        resize: Short side before the crop, in pixels.
        normalise: Where pixels become floats of mean 0 and deviation 1.
        num_clips: Of an epoch.
    """

    files: Sequence[pathlib.Path]
    decode: Decoder
    num_frames: int
    size: int = 224
    resize: int = 256
    normalise: Literal["here", "on the device"] = "here"
    num_clips: int = 24

    def __len__(self) -> int:
        return self.num_clips

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Returns [3, T, size, size] and a label."""
        rng = np.random.default_rng(index)
        last = self.num_frames - NUM_FRAMES * STRIDE
        start = int(rng.integers(last + 1))
        indices = range(start, start + NUM_FRAMES * STRIDE, STRIDE)
        file = self.files[index % len(self.files)]
        clip = self.transformed(self.decode(file, indices), rng)
        return torch.from_numpy(clip.transpose(3, 0, 1, 2).copy()), index

    def transformed(
        self, frames: Sequence[np.ndarray], rng: np.random.Generator
    ) -> np.ndarray:
        """Returns [T, size, size, 3] of frames [H, W, 3]."""
        height, width = frames[0].shape[:2]
        factor = self.resize / min(height, width)
        new = int(width * factor + 0.5), int(height * factor + 0.5)
        if new != (width, height):
            frames = [cv2.resize(frame, new) for frame in frames]
        top, left, tall, wide = crop_box(new[1], new[0], rng)
        clip = np.stack(
            [
                cv2.resize(f[top : top + tall, left : left + wide], (self.size,) * 2)
                for f in frames
            ]
        )
        if rng.random() < 0.5:
            clip = clip[:, :, ::-1]
        if self.normalise == "here":
            return (clip.astype(np.float32) - MEAN) / STD
        return clip


def crop_box(
    height: int, width: int, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Returns top, left, height and width of a random resized crop."""
    for _ in range(10):
        area = rng.uniform(0.08, 1) * height * width
        aspect = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        wide, tall = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if wide <= width and tall <= height:
            top = int(rng.integers(height - tall + 1))
            return top, int(rng.integers(width - wide + 1)), tall, wide
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side, side


def loader(clips: Clips, batch_size: int, num_workers: int) -> data.DataLoader:
    """Returns PyTorch's own loader of the clips."""
    return data.DataLoader(clips, batch_size=batch_size, num_workers=num_workers)
