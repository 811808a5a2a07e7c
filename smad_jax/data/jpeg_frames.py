"""The frames of a video as JPEG files in one, so that a clip decodes its own alone.

    8 bytes    SMADJPG1
    3 uint32   V frames of the video, stride n, K = V / n stored frames, rounded up
    K uint32   bytes of each
    K files

Numbers are little endian. Frame i of the video is the stored frame i // n: with a
stride above 1 the frames in between are those before them.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_MAGIC = b"SMADJPG1"
_HEADER = struct.Struct("<8sIII")


class JpegFrames(NamedTuple):
    """The stored frames of a video.

    Attributes:
        num_frames: V, of the video.
        stride: n, frames of the video from one stored frame to the next.
        content: All bytes.
        starts: [K + 1] where each file starts and, last, where all end.
    """

    num_frames: int
    stride: int
    content: bytes
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    def file(self, row: int) -> bytes:
        """The JPEG file of stored frame `row`."""
        return self.content[self.starts[row] : self.starts[row + 1]]


def pack(files: Sequence[bytes], num_frames: int, stride: int = 1) -> bytes:
    """Returns JPEG files of every `stride`-th of V = `num_frames` frames as one.

    Raises:
        ValueError: if that is another number of files, or none.
    """
    if not files or len(files) != -(-num_frames // stride):
        raise ValueError(
            f"every {stride}. of {num_frames} frames must be stored, at least one, but "
            f"there are {len(files)} files"
        )
    sizes = np.array([len(file) for file in files], "<u4").tobytes()
    header = _HEADER.pack(_MAGIC, num_frames, stride, len(files))
    return b"".join((header, sizes, *files))


def is_packed(content: bytes) -> bool:
    """Returns whether `content` was made by `pack`."""
    return content.startswith(_MAGIC)


def unpack(content: bytes) -> JpegFrames:
    """Returns the frames that `pack` stored; none is decoded.

    Raises:
        ValueError: if `content` is cut short or its numbers contradict each other.
    """
    if len(content) < _HEADER.size:
        raise ValueError("the stored frames end early")
    _, num_frames, stride, count = _HEADER.unpack_from(content)
    start = _HEADER.size + 4 * count
    if len(content) < start:
        raise ValueError("the stored frames end early")
    sizes = np.frombuffer(content, "<u4", count, _HEADER.size)
    starts = np.cumsum([start, *sizes.tolist()])
    if starts[-1] != len(content):
        raise ValueError(
            f"the stored frames must have {starts[-1]} bytes, but have {len(content)}"
        )
    if not stride or not count or count != -(-num_frames // stride):
        raise ValueError(f"{count} frames are stored, every {stride}. of {num_frames}")
    return JpegFrames(num_frames, stride, content, starts)
