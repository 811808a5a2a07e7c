"""`predict`: a folder of videos to a table of likely actions and a sheet of them."""

import argparse
import pathlib
from typing import TYPE_CHECKING, Unpack

from smad_jax import errors
from smad_jax.base import command_line, file_io
from smad_jax.commands import network

if TYPE_CHECKING:
    from smad_jax.commands import predictions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    network.add_options(parser)
    add, folder = parser.add_argument, pathlib.Path
    number = command_line.whole_number
    add(
        "--videos",
        type=folder,
        required=True,
        help="folder, searched recursively, or one file",
    )
    add("--out", type=folder, default=folder("predictions.csv"), help="CSV to write")
    add("--top", type=number(1), default=5, help="likeliest classes to list")
    add(
        "--pictures",
        type=number(0),
        default=36,
        help="videos on the sheet; 0: no sheet",
    )


def run(
    *,
    videos: pathlib.Path,
    out: pathlib.Path,
    top: int,
    pictures: int,
    **chosen: Unpack[network.Options],
) -> str:
    """Predicts every video; returns where the files are, and the bad videos."""
    from smad_jax.commands import predictions
    from smad_jax.data import loose_files
    from smad_jax.reporting import figures

    if out.suffix.lower() == ".png":
        raise errors.ConfigError(
            f"--out {out} is the name of the sheet; name the table, .csv"
        )
    split = loose_files.open_files(videos)
    file_io.check(out)
    with network.opened(**chosen) as trained:
        found = predictions.predict(trained, split, num_frames=pictures)
    found.write_csv(out, top)
    count = len(found.ids) - len(found.failures)
    if not count:
        raise errors.DataError(
            "\n".join([f"{out}: no prediction for any video", *_problems(found)])
        )
    lines = [f"{out}: {count} of {len(found.ids)} videos"]
    if pictures:
        sheet = out.with_suffix(".png")
        figures.sheet(
            sheet, found.ids, found.frames, found.probabilities, found.classes
        )
        lines.append(f"{sheet}: {len(found.frames)} of them")
    return "\n".join([*lines, *_problems(found)])


def _problems(found: "predictions.Answers") -> list[str]:
    """Lines about the videos that cannot be used, and what to do about them."""
    if not found.failures:
        return []
    return [
        f"{len(found.failures)} cannot be used ({found.reasons()}):",
        *(
            f"  {one.id}: {one.reason}, {one.detail}"
            for _, one in sorted(found.failures.items())
        ),
        "re-encode files that still play (ffmpeg -i OLD NEW.mp4); copy or download the "
        "others again",
    ]
