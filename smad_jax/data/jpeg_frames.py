"""The frames of a video as JPEG files in one, so that a clip reads its own alone.

    8 bytes    SMADJPG1
    4 uint32   V frames of the video, stride n, K = V / n stored frames, rounded up, and
               the CRC-32C of these three numbers and of the table
    K uint32   bytes of each file
    K uint32   CRC-32C of each file
    K files

Numbers are little endian. Frame i of the video is the stored frame i // n: with a
stride above 1 the frames in between are those before them.
"""

import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

import google_crc32c
import numpy as np

MAGIC = b"SMADJPG1"
_HEADER = struct.Struct("<8sIIII")
_NUMBERS = slice(len(MAGIC), _HEADER.size - 4)  # V, n and K


class JpegFrames(NamedTuple):
    """The stored frames of a video.

    Attributes:
        num_frames: V, of the video.
        stride: n, frames of the video from one stored frame to the next.
        starts: [K + 1] where each file starts and, last, where all end.
        checksums: [K] CRC-32C of each file.
        read: Returns the bytes from one place to another.
    """

    num_frames: int
    stride: int
    starts: np.ndarray
    checksums: np.ndarray
    read: Callable[[int, int], bytes]

    def __len__(self) -> int:
        return len(self.checksums)

    def file(self, row: int) -> bytes:
        """The JPEG file of stored frame `row`.

        Raises:
            ValueError: if its checksum does not hold.
            OSError: if it cannot be read.
        """
        content = self.read(int(self.starts[row]), int(self.starts[row + 1]))
        if google_crc32c.value(content) != self.checksums[row]:
            raise ValueError(f"the checksum of stored frame {row} does not hold")
        return content


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
    columns = [len(file) for file in files], [google_crc32c.value(f) for f in files]
    table = np.array(columns, "<u4").tobytes()
    return b"".join((_header(num_frames, stride, len(files), table), table, *files))


def _header(num_frames: int, stride: int, count: int, table: bytes) -> bytes:
    numbers = struct.pack("<III", num_frames, stride, count)
    return MAGIC + numbers + struct.pack("<I", google_crc32c.value(numbers + table))


def is_packed(content: bytes) -> bool:
    """Returns whether `content` was made by `pack`."""
    return content.startswith(MAGIC)


def stride(content: bytes) -> int:
    """Returns n of stored frames, 1 of other files; at least 1 if it is damaged."""
    is_whole = is_packed(content) and len(content) >= _HEADER.size
    return max(1, _HEADER.unpack_from(content)[2]) if is_whole else 1


def unpack(content: bytes) -> JpegFrames:
    """Returns the frames that `pack` stored; none is decoded.

    Raises:
        ValueError: if `content` is cut short, its table is damaged, or its numbers
            contradict each other.
    """
    return open_frames(len(content), lambda start, stop: content[start:stop])


def open_frames(num_bytes: int, read: Callable[[int, int], bytes]) -> JpegFrames:
    """Returns the frames of `num_bytes` that `read` returns from a place to another.

    Only the table is read before a frame is used.

    Raises:
        ValueError: as `unpack`.
        OSError: if the table cannot be read.
    """
    header = read(0, _HEADER.size)
    if len(header) < _HEADER.size:
        raise ValueError("the stored frames end early")
    _, num_frames, stride, count, checksum = _HEADER.unpack(header)
    start = _HEADER.size + 8 * count
    if num_bytes < start:
        raise ValueError("the stored frames end early")
    table = read(_HEADER.size, start)
    if google_crc32c.value(header[_NUMBERS] + table) != checksum:
        raise ValueError("the checksum of the stored frames' table does not hold")
    sizes, checksums = np.frombuffer(table, "<u4").reshape(2, count)
    starts = start + np.append(0, np.cumsum(sizes, dtype=np.int64))
    if starts[-1] != num_bytes:
        raise ValueError(
            f"the stored frames must have {starts[-1]} bytes, but have {num_bytes}"
        )
    if not stride or not count or count != -(-num_frames // stride):
        raise ValueError(f"{count} frames are stored, every {stride}. of {num_frames}")
    return JpegFrames(num_frames, stride, starts, checksums, read)
