"""`cam`: where two networks look in a video (Fig. 7)."""

import argparse
import pathlib
from typing import Literal, get_args

from smad_jax import errors
from smad_jax.base import command_line, file_io

Scaling = Literal["clip", "frame"]  # as in `evaluation.cam`, slow to import


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    add, folder = parser.add_argument, pathlib.Path
    add("--baseline", type=folder, required=True, metavar="RUN", help="first network")
    add("--smad", type=folder, required=True, metavar="RUN", help="second network")
    add("--video", type=folder, metavar="FILE", help="any video")
    add("--dataset", help="or a stored video: its data set")
    add("--id", help="and its id there")
    command_line.add_data_root(parser)
    add(
        "--scaling",
        choices=get_args(Scaling),
        default="clip",
        help="what is brightest: the maximum of the clip, or of each frame",
    )
    add(
        "--out",
        type=folder,
        default=folder("cam"),
        help="files to write, without their endings",
    )


def run(
    *,
    baseline: pathlib.Path,
    smad: pathlib.Path,
    video: pathlib.Path | None,
    dataset: str | None,
    id: str | None,
    data_root: pathlib.Path,
    scaling: Scaling,
    out: pathlib.Path,
) -> str:
    """Draws a picture and a film; returns where they are.

    Raises:
        UserError: if the video is missing, or a network cannot be opened.
    """
    from smad_jax.experiment import trained
    from smad_jax.reporting import attention

    if video is not None:
        if not video.is_file():
            raise errors.DataError(f"no video at {video}")
        content, name, action = video.read_bytes(), video.name, ""
    elif dataset and id:
        content, action = _stored(data_root / dataset, id)
        name = id
    else:
        raise errors.ConfigError("name a --video, or a --dataset and an --id of it")
    picture, film = (out.with_name(out.name + end) for end in (".png", ".mp4"))
    file_io.check(picture)
    shown = attention.panels(
        trained.load(baseline, data_root, finished=False),
        trained.load(smad, data_root, finished=False),
        content,
        name=name,
        action=action,
        scaling=scaling,
    )
    attention.strip(shown, picture)
    film.write_bytes(attention.film(shown))
    return f"pictures: {picture} {film}"


def _stored(folder: pathlib.Path, id: str) -> tuple[bytes, str]:
    """Returns a video of a data set, and its action or nothing."""
    from smad_jax.data import catalog, records

    # raises, with the data sets that are there
    classes = catalog.read_dataset_file(folder).classes
    reader = records.RecordReader(folder)
    if id not in reader.ids:
        like = ", ".join(map(repr, reader.ids[:2]))
        raise errors.DataError(f"{folder} has no video {id!r}; its ids are like {like}")
    stored = reader.video(reader.ids.index(id))
    known = 0 <= stored.label < len(classes)
    return stored.video, classes[stored.label] if known else ""
