"""A row of a split to the arrays of a training element: sample, decode, crop.

An unreadable video is replaced by another of its class, and the element records it.
Loaders run in the threads and processes of a stream (`pipeline`).
"""

from typing import NamedTuple

import numpy as np

from smad_jax import errors
from smad_jax.data import catalog, failures, frame_reader, people, transforms, video
from smad_jax.data.sampling import Sampling
from smad_jax.data.transforms import Transform

MAX_REPLACEMENTS = 10  # videos of a class that are tried before giving up

Element = dict[str, np.ndarray | np.generic]


class _Clip(NamedTuple):
    """The distinct frames of a clip, and the numbers of the frames that they show.

    Frame t of the clip is `frames[places[t]]`.
    """

    frames: np.ndarray
    numbers: np.ndarray
    places: np.ndarray


class TrainLoader:
    """Row of a split and a random generator to a training element.

    People are painted out before anything is cropped, if `paint` is given.
    """

    def __init__(
        self,
        reader: frame_reader.Reader,
        sampling: Sampling,
        transform: Transform,
        paint: people.Paint | None = None,
    ):
        self._reader = reader
        self._sampling = sampling
        self._transform = transform
        self._paint = paint
        self._bad: dict[int, video.VideoError] = {}  # never tried again
        self._rows_of = _rows_by_class(reader.split)

    def __call__(self, row: int, rng: np.random.Generator) -> Element:
        """Returns the columns of a training batch and those of a failure, one row.

        Raises:
            DataError: if neither the video nor another of its class can be used.
        """
        # drawn first: a failed attempt uses an unknown amount of `rng`
        key = int(rng.integers(1 << 62))
        read, used, failure = self._try(row, rng), row, None
        if isinstance(read, video.VideoError):
            failure = read
            read, used, rng = self._replace(row, failure, key)
        frames, numbers, places = read
        if self._paint is not None:
            frames = self._paint(frames, numbers, self._reader.split.ids[used])
        return {
            "video": transforms.take(self._transform.train(frames, rng), places),
            "label": self._reader.split.labels[used],
            "index": np.int32(used),
            **failures.columns(row, failure),
        }

    def _try(self, row: int, rng: np.random.Generator) -> _Clip | video.VideoError:
        """A clip of the video in `row`, or the reason for none."""
        if row in self._bad:
            return self._bad[row]
        try:
            stored = self._reader.open(row)
            indices = self._sampling.train(stored.num_frames, rng)
            # a still image fills its clip with one frame, which is transformed once
            numbers, places = np.unique(indices, return_inverse=True)
            frames = self._reader.frames(row, stored, numbers)
            shown = numbers // stored.stride * stored.stride
            return _Clip(frames, shown, places)
        except video.VideoError as error:
            self._bad[row] = error.with_traceback(None)
            return self._bad[row]

    def _replace(
        self, row: int, failure: video.VideoError, key: int
    ) -> tuple[_Clip, int, np.random.Generator]:
        """A clip of another video of the class, its row, and its generator."""
        split = self._reader.split
        rows = self._rows_of[int(split.labels[row])]
        others = np.random.default_rng(key).permutation(rows[rows != row])
        others = others[:MAX_REPLACEMENTS].tolist()
        for attempt, other in enumerate(others):
            rng = np.random.default_rng((key, attempt))
            clip = self._try(other, rng)
            if not isinstance(clip, video.VideoError):
                return clip, other, rng
        raise errors.DataError(
            f"{split.ids[row]!r} cannot be used ({failure}), nor can any of the "
            f"{len(others)} videos of class {split.classes[split.labels[row]]!r} of "
            f"{split.dataset}/{split.name} tried as replacements; check the files"
        )


def _rows_by_class(split: catalog.Split) -> dict[int, np.ndarray]:
    """Rows of each class that the split has."""
    order = np.argsort(split.labels, kind="stable")
    labels, starts = np.unique(split.labels[order], return_index=True)
    parts = np.split(order, starts[1:])
    return {int(label): rows for label, rows in zip(labels, parts, strict=True)}
