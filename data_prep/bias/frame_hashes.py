"""Perceptual hashes of frames: numbers that change little when a picture does.

There are two of 64 bits: the signs of the lowest frequencies (pHash) and of the
differences between neighbours (dHash). Re-encoding, resizing and a change of brightness
or contrast flip a few bits; another picture flips half. Frames without detail, such as
black ones, have no meaningful hash and are left out. Cropped, mirrored or rotated
copies are not recognised.
"""

import concurrent.futures
import hashlib
import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from smad_jax import errors
from smad_jax.base import command_line, file_io
from smad_jax.data import catalog, sampling, video

_SIDE = 32  # pixels of the picture whose frequencies are computed
_LOW = 8  # frequencies each way
_LEAST_DETAIL = 4.0  # standard deviation of grey levels; less is noise and rounding
_PART = 2000  # videos hashed between two saves


class Hashes(NamedTuple):
    """Hashes of F frames of V videos.

    Attributes:
        owner: [F] int64, row of the video, in rising order.
        perceptual: [F] uint64, pHash.
        difference: [F] uint64, dHash.
    """

    owner: np.ndarray
    perceptual: np.ndarray
    difference: np.ndarray


def _cosines() -> np.ndarray:
    """[8, 32] cosines of the lowest frequencies but the constant (DCT-II)."""
    place = (np.arange(_SIDE) + 0.5) * np.pi / _SIDE
    return np.cos(np.arange(1, _LOW + 1)[:, None] * place)


def perceptual_hash(grey: np.ndarray) -> np.ndarray:
    """Returns [N] uint64: which of 8 x 8 low frequencies exceed their median.

    Of `grey`, [N, 32, 32], any scale. Frequencies 1 to 8 each way, so brightness and a
    gradient along one side have no influence. Half of the bits are set, so two hashes
    differ in an even number. Bits go by rows, the highest first.
    """
    if grey.shape[1:] != (_SIDE, _SIDE):
        raise ValueError(f"pictures must be [N, 32, 32], but are {list(grey.shape)}")
    cosines = _cosines()
    low = np.einsum("uh,nhw,vw->nuv", cosines, grey.astype(np.float64), cosines)
    low = low.reshape(len(grey), _LOW * _LOW)
    return _packed(low > np.median(low, axis=1, keepdims=True))


def difference_hash(grey: np.ndarray) -> np.ndarray:
    """Returns [N] uint64: where a pixel of 8 x 9 is darker than the next of its row.

    Of `grey`, [N, 8, 9], any scale. Bits go by rows, the highest first.
    """
    if grey.shape[1:] != (_LOW, _LOW + 1):
        raise ValueError(f"pictures must be [N, 8, 9], but are {list(grey.shape)}")
    return _packed((grey[:, :, 1:] > grey[:, :, :-1]).reshape(len(grey), 64))


def _packed(bits: np.ndarray) -> np.ndarray:
    """[N] uint64 of [N, 64] bool."""
    if not len(bits):
        return np.zeros(0, np.uint64)
    return np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)


def hash_frames(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns pHash and dHash, [F] uint64, of the RGB frames that have detail."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    large = _resized(grey, _SIDE, _SIDE)
    detailed = large.std(axis=(1, 2)) >= _LEAST_DETAIL
    small = _resized(grey, _LOW, _LOW + 1)
    return perceptual_hash(large[detailed]), difference_hash(small[detailed])


def _resized(pictures: Sequence[np.ndarray], height: int, width: int) -> np.ndarray:
    """[N, height, width] float32 of grey pictures, each pixel the mean of its area."""
    return np.stack(
        [
            cv2.resize(
                picture.astype(np.float32),
                (width, height),
                interpolation=cv2.INTER_AREA,
            )
            for picture in pictures
        ]
    )


def of_split(
    split: catalog.Split,
    folder: pathlib.Path,
    rows: np.ndarray,
    *,
    num_frames: int,
    num_jobs: int = 2,
) -> Hashes:
    """Returns the hashes of some of a split's videos, computed once and then stored.

    After a stop it resumes. An unreadable video has no hashes and is named on stderr.

    Args:
        split: The videos.
        folder: The data set's folder; its folder `hashes` stores them.
        rows: [V] rows of the split; owners are positions in them.
        num_frames: Frames of a video, evenly spaced; fewer of a shorter one.
        num_jobs: Videos decoded at once.
    """
    ids = [split.ids[row] for row in rows]
    path = folder / "hashes" / f"{split.name}-{_digest(ids, num_frames)}.npz"
    path.parent.mkdir(exist_ok=True)
    if path.is_file():
        return _read(path)
    parts = []
    with concurrent.futures.ThreadPoolExecutor(num_jobs) as pool:
        for first in range(0, len(rows), _PART):
            part = path.with_suffix(f".part-{first:08}.npz")
            if part.is_file():
                parts.append(_read(part))
                continue
            chosen = rows[first : first + _PART]
            found = pool.map(
                lambda row: _hash_video(split, row, num_frames), chosen.tolist()
            )
            file_io.write_npz(part, _joined(found, first)._asdict())
            parts.append(_read(part))
            command_line.on_standard_error(
                f"hashed {first + len(chosen)} of {len(rows)} videos of "
                f"{split.dataset}/{split.name}"
            )
    whole = Hashes(*map(np.concatenate, zip(*parts, strict=True)))
    file_io.write_npz(path, whole._asdict())
    for part in path.parent.glob(f"{path.stem}.part-*.npz"):
        part.unlink()
    return whole


def _hash_video(
    split: catalog.Split, row: int, num_frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """Both hashes of a video's frames, none if it is unreadable."""
    try:
        stored = split.video(row)
        length = stored.num_frames or video.probe(stored.video).num_frames
        # frames that show one stored picture count as one
        rows = sampling.test_frames(length, count=num_frames) // stored.stride
        indices = np.unique(rows) * stored.stride
        return hash_frames(video.decode(stored.video, indices, num_frames=length))
    except (video.VideoError, errors.DataError) as error:
        command_line.on_standard_error(f"no hash of {split.ids[row]!r}: {error}")
        return np.zeros(0, np.uint64), np.zeros(0, np.uint64)


def _joined(found: Iterator[tuple[np.ndarray, np.ndarray]], first: int) -> Hashes:
    """Hashes of consecutive videos, whose owners start at `first`."""
    videos = list(found)
    lengths = [len(perceptual) for perceptual, _ in videos]
    owner = np.repeat(np.arange(first, first + len(videos)), lengths)
    return Hashes(owner, *map(np.concatenate, zip(*videos, strict=True)))


def _digest(ids: Sequence[str], num_frames: int) -> str:
    """A digest that identifies these videos and this number of frames."""
    found = hashlib.sha256(f"{num_frames}".encode())
    for id in ids:
        found.update(f"\n{id}".encode())
    return found.hexdigest()[:12]


def _read(path: pathlib.Path) -> Hashes:
    message = f"{path} is damaged; remove it, and the frames are hashed again"
    with file_io.npz(path, message) as content:
        return Hashes(*(content[name] for name in Hashes._fields))
