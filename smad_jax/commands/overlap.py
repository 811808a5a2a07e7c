"""`overlap`: accuracy lost as the scenes of training and test overlap less (Fig. 3)."""

import argparse
import pathlib

from smad_jax import errors
from smad_jax.base import file_io


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command."""
    add, file = parser.add_argument, pathlib.Path
    add("runs", nargs="+", type=file, metavar="RUN", help="folder of a run")
    add("--model-names", nargs="+", default=[], metavar="NAME", help="one a run")
    add(
        "--sets",
        nargs="+",
        default=["iid", "tail"],
        help="test sets that together have usual and rare scenes",
    )
    add(
        "--train",
        type=file,
        required=True,
        metavar="FILE",
        help="id, label of the training videos",
    )
    add(
        "--scene",
        type=file,
        required=True,
        metavar="FILE",
        help="pseudo-scenes, as --aspect of audit",
    )
    add(
        "--out",
        type=file,
        default=file("overlap"),
        help="files to write, without their endings",
    )


def run(
    *,
    runs: list[pathlib.Path],
    model_names: list[str],
    sets: list[str],
    train: pathlib.Path,
    scene: pathlib.Path,
    out: pathlib.Path,
) -> str:
    """Draws the figure; returns where it is.

    Raises:
        UserError: if names do not fit the runs, or predictions are missing.
    """
    from smad_jax.experiment import run_labels
    from smad_jax.reporting import dial

    names = model_names or [folder.name for folder in runs]
    if len(set(names)) < len(runs) or len(names) != len(runs):
        raise errors.ConfigError(
            f"--model-names must be {len(runs)} different names, one a run, not "
            f"{' '.join(names)}"
        )
    if len(set(sets)) < len(sets):
        raise errors.ConfigError("--sets names a test set twice")
    tests = [
        {
            name: folder / "predictions" / f"{split}.npz"
            for name, folder in zip(names, runs, strict=True)
        }
        for split in sets
    ]
    file_io.check(out.with_name(f"{out.name}.svg"))
    for path in (path for files in tests for path in files.values()):
        if not path.is_file():
            raise errors.DataError(
                f"no predictions at {path}; python main.py --config configs/NAME.py "
                f"--workdir {path.parent.parent} makes a run and tests it"
            )
    labels = run_labels.read(runs[0])
    points = dial.measure(tests, scene, train, classes=labels.classes if labels else ())
    return f"figure: {' '.join(map(str, dial.draw(points, out)))}"
