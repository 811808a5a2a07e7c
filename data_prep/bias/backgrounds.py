"""Actors cut out of videos and put over other backgrounds, for SCUBA and SCUFO."""

import os
import pathlib
from collections.abc import Sequence

import cv2
import numpy as np

from smad_jax import errors
from smad_jax.base import file_io

MOVING_SHARE = 0.5  # of the picture, where only motion shows the actor


def motion_mask(frames: np.ndarray) -> np.ndarray:
    """Returns [T, H, W] bool, the half of the picture that changes most, for all T.

    Mean absolute difference of neighbouring frames, blurred over a tenth of the
    picture, of frames [T, H, W, 3] uint8; FAME also refines such a mask by colour. It
    is empty where nothing moves.
    """
    height, width = frames.shape[1:3]
    change = np.zeros((height, width), np.float32)
    if len(frames) > 1:
        steps = np.abs(np.diff(frames.astype(np.float32), axis=0))
        change = steps.sum(axis=-1).mean(axis=0)
    if not change.any():
        return np.zeros(frames.shape[:3], bool)
    size = max(1, round(min(height, width) / 10)) // 2 * 2 + 1
    change = cv2.GaussianBlur(change, (size, size), size / 3)
    order = np.argsort(change, axis=None, kind="stable")[::-1]
    mask = np.zeros(height * width, bool)
    mask[order[: round(MOVING_SHARE * len(order))]] = True
    return np.broadcast_to(mask.reshape(height, width), frames.shape[:3])


def mask_paths(folder: pathlib.Path, id: str) -> list[pathlib.Path]:
    """Returns the files that may hold a video's mask, in order of preference.

    They are `ID.npz` and `ID.png`, the id with or without the video's ending, and with
    or without the folders in it.
    """
    stem = os.path.splitext(id)[0]
    names = (id, stem, os.path.basename(id), os.path.basename(stem))
    ends = (".npz", ".png")
    return [folder / f"{name}{end}" for name in dict.fromkeys(names) for end in ends]


def find_masks(folder: pathlib.Path, ids: Sequence[str]) -> dict[str, pathlib.Path]:
    """Returns the files of masks by id, for those of `ids` that have one.

    Raises:
        DataError: if there is none, or one file could be of two videos.
    """
    found: dict[str, pathlib.Path] = {}
    id_of: dict[pathlib.Path, str] = {}
    for id in dict.fromkeys(ids):
        path = next((p for p in mask_paths(folder, id) if p.is_file()), None)
        if path is None:
            continue
        if (other := id_of.setdefault(path, id)) != id:
            raise errors.DataError(
                f"{path} could be the mask of {other!r} or of {id!r}; name each mask "
                f"by the whole id, as {mask_paths(folder, id)[0]}"
            )
        found[id] = path
    if not found:
        tried = ", ".join(map(str, mask_paths(folder, ids[0])))
        raise errors.DataError(
            f"{folder} has no mask of the {len(ids)} videos; for {ids[0]!r} it should "
            f"hold one of {tried}"
        )
    return found


def read_mask(path: pathlib.Path, id: str, shape: tuple[int, int, int]) -> np.ndarray:
    """Returns the mask of a video from its file, [T, H, W] bool, of that `shape`.

    Masks of another H and W are resized; a mask of one frame holds for all.

    Raises:
        DataError: if the file holds something else.
    """
    fault = (
        f"{path} must be a picture, or an NPZ file with `mask` [{shape[0]}, H, W] for "
        f"the {shape[0]} frames of {id!r}"
    )
    if path.suffix == ".png":
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        mask = None if picture is None else picture[None] > 127
    else:
        with file_io.npz(path, fault) as arrays:
            mask = arrays["mask"] > 0
    if mask is None or mask.ndim != 3 or len(mask) not in (1, shape[0]):
        raise errors.DataError(fault)
    height, width = shape[1:]
    if mask.shape[1:] != (height, width):
        how = {"dsize": (width, height), "interpolation": cv2.INTER_NEAREST}
        mask = np.stack([cv2.resize(part, **how) for part in mask.astype(np.uint8)])
    return np.broadcast_to(mask.astype(bool), shape)


def scene_without_actor(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns a frame [H, W, 3] with the area of the mask [H, W] painted over."""
    grown = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    return cv2.inpaint(frame, grown, 3, cv2.INPAINT_TELEA)


def stripes(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Returns [H, W, 3] uint8: sinusoidal stripes of random colour and direction."""
    angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[:height, :width]
    across = rows * np.sin(angle) + columns * np.cos(angle)
    wave = np.sin(across * 2 * np.pi / (min(height, width) / 4) + phase)
    share = (wave[..., None] + 1) / 2
    first, second = rng.uniform(0, 255, (2, 3))
    return np.rint(share * first + (1 - share) * second).astype(np.uint8)


def compose(
    frames: np.ndarray, mask: np.ndarray, background: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns SCUBA and SCUFO, both [T, H, W, 3] uint8.

    The mask [T, H, W] is true on the actor; a background of another size is resized.
    """
    height, width = frames.shape[1:3]
    if background.shape[:2] != (height, width):
        background = cv2.resize(background, (width, height))
    moving = np.where(mask[..., None], frames, background)
    frozen = np.repeat(moving[len(moving) // 2][None], len(moving), axis=0)
    return moving, frozen
