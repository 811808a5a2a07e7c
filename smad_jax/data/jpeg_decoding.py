"""Clips and frames of a video that is stored as JPEG files (`jpeg_frames`)."""

from collections.abc import Iterator

import numpy as np

from smad_jax.data import images, jpeg_frames, transforms, video_facts


def decode(
    stored: jpeg_frames.JpegFrames,
    order: np.ndarray,
    short_side: int,
    deadline: float,
    limits: video_facts.Limits,
) -> np.ndarray:
    """Returns the frames at the numbers `order`, each decoded once; see `video.decode`.

    Raises:
        VideoError: if one is missing, damaged or too large.
    """
    if (last := int(order.max())) >= stored.num_frames:
        raise video_facts.too_few(last, stored.num_frames)
    rows, places = np.unique(order // stored.stride, return_inverse=True)
    size = images.size(file_of(stored, int(rows[0])))
    video_facts.check_pixels(size, len(rows), limits)
    scale = max((s for s in (1, 2, 4, 8) if short_side * s <= min(size)), default=1)
    scale = scale if short_side else 1
    first = _picture(stored, int(rows[0]), size, scale, deadline)
    clip = np.empty((len(rows), *first.shape), np.uint8)
    clip[0] = first
    for place, row in enumerate(rows[1:].tolist(), start=1):
        picture = _picture(stored, row, size, scale, deadline)
        if picture.shape != first.shape:  # turned, by its metadata
            raise video_facts.VideoError(
                "undecodable", f"stored frame {row} has another size"
            )
        clip[place] = picture
    return transforms.take(clip, places)


def frames(stored: jpeg_frames.JpegFrames, deadline: float) -> Iterator[np.ndarray]:
    """Yields every frame, [H, W, 3], repeated where the stride left some out."""
    size = images.size(file_of(stored, 0))
    video_facts.check_pixels(size, 1, video_facts.LIMITS)
    for row in range(len(stored)):
        picture = _picture(stored, row, size, 1, deadline)
        for _ in range(min(stored.stride, stored.num_frames - row * stored.stride)):
            yield picture


def facts(
    stored: jpeg_frames.JpegFrames, count: str, deadline: float
) -> video_facts.Facts:
    """Returns the facts of stored frames, see `video.probe`."""
    pictures = frames(stored, deadline)
    height, width = next(pictures).shape[:2]
    num_frames, failure = stored.num_frames, ""
    if count == "decoded":
        num_frames, failure = video_facts.counted(pictures)
    return video_facts.Facts(
        num_frames, stored.num_frames, width, height, 0, "mjpeg", 0.0, failure
    )


def file_of(stored: jpeg_frames.JpegFrames, row: int) -> bytes:
    """Returns the file of a stored frame; VideoError if it is damaged."""
    try:
        return stored.file(row)
    except (ValueError, OSError) as error:
        raise video_facts.VideoError(
            "undecodable", f"{error}; build or copy it again"
        ) from error


def _picture(
    stored: jpeg_frames.JpegFrames,
    row: int,
    size: tuple[int, int],
    scale: int,
    deadline: float,
) -> np.ndarray:
    """[H, W, 3] uint8 RGB, a stored frame of (width, height) `size` over `scale`."""
    video_facts.check_time(deadline)
    file = file_of(stored, row)
    if images.codec(file) != "mjpeg" or images.size(file) != size:
        raise video_facts.VideoError(
            "undecodable",
            f"stored frame {row} must be a JPEG of {size[0]}x{size[1]} pixels",
        )
    if images.ends_early(file):
        raise video_facts.VideoError("truncated", f"stored frame {row} ends early")
    picture = images.decode(file, scale)
    if picture is None:
        raise video_facts.VideoError(
            "undecodable", f"stored frame {row} cannot be decoded"
        )
    return picture
