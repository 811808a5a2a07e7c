"""A picture of the embedded benchmark: captioned videos of every action."""

import pathlib
from collections.abc import Sequence

import cv2
import numpy as np

from smad_jax.data import catalog, video
from smad_jax.data.embedded import benchmark


def draw(folder: pathlib.Path, *, columns: int = 4, zoom: int = 3) -> np.ndarray:
    """Returns [H, W, 3] uint8 RGB: stored videos of each action of a benchmark.

    Half of the `columns` are from `pool`, half from `rare`. A stored pixel is drawn
    `zoom` pixels wide and high.
    """
    rows = []
    splits = [
        catalog.open_split(folder.parent, folder.name, name)
        for name in ("pool", "rare")
    ]
    truth = np.load(folder / "factors.npz")
    place = {id: row for row, id in enumerate(truth["ids"].tolist())}
    for action in range(len(benchmark.ACTIONS)):
        cells = []
        for split, count in zip(
            splits, (columns - columns // 2, columns // 2), strict=True
        ):
            for index in np.flatnonzero(split.labels == action)[:count]:
                row = place[split.ids[index]]
                words = [
                    benchmark.ACTIONS[action],
                    benchmark.SCENES[truth["scene"][row]],
                ]
                if (thing := truth["object"][row]) != benchmark.NONE:
                    words.append(benchmark.OBJECTS[thing])
                cells.append(_cell(split.video(int(index)), words, zoom))
        rows.append(np.concatenate(cells, axis=1))
    return np.concatenate(rows)


def _cell(stored: catalog.StoredVideo, words: Sequence[str], zoom: int) -> np.ndarray:
    """The frames of a video side by side under a caption."""
    frames = video.decode(stored.video, range(stored.num_frames))
    strip = np.concatenate(list(frames), axis=1).repeat(zoom, 0).repeat(zoom, 1)
    strip = np.pad(strip, ((16, 2), (0, 8), (0, 0)), constant_values=255)
    ink = (0, 0, 0)
    return cv2.putText(
        strip, " / ".join(words), (1, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, ink
    )


def write(folder: pathlib.Path, path: pathlib.Path) -> None:
    """Draws the data set in `folder` into a PNG file."""
    picture = cv2.cvtColor(draw(folder), cv2.COLOR_RGB2BGR)
    path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
