"""A trained network as a StableHLO program that needs JAX and none of this code.

The file holds weights and computation, from pixels to probabilities. A JSON file beside
it describes what the program takes and returns, and where it comes from.
"""

import dataclasses
import datetime
import os
import pathlib
from typing import NamedTuple

import jax
import numpy as np
from jax import export

from smad_jax import errors, methods, models
from smad_jax.base import file_io
from smad_jax.experiment import run_record, trained
from smad_jax.methods import base

PLATFORMS = ("cpu", "cuda", "tpu")
_VIDEOS, _VIEWS = 2, 2  # of the comparison
# Largest difference, as a share of the largest value. The program is compiled for other
# sizes than the network, which may then round differently.
_TOLERANCE = {"float32": 1e-4, "bfloat16": 3e-2}


class Exported(NamedTuple):
    """The files of an exported network.

    Attributes:
        program: The StableHLO program, serialised by `jax.export`.
        description: JSON about it.
        difference: Largest difference from the network's own probabilities and
            features, as a share of their largest values.
    """

    program: pathlib.Path
    description: pathlib.Path
    difference: float


def export_network(
    network: trained.TrainedNetwork, out: str | os.PathLike[str]
) -> Exported:
    """Writes a trained network as a program, and reads and runs it to compare.

    Args:
        network: From `load_run`.
        out: The program's file; that of the description adds `.json`.

    Raises:
        ConfigError: if the network's method adapts it to each test set, or it computes
            in float64.
        DataError: if the file cannot be written.
    """
    settings = network.settings
    if methods.find(settings.method.name).adapt is not base.Method.adapt:
        raise errors.ConfigError(
            f"{settings.method.name} adapts the network to each test set, which a "
            "program for single videos cannot do; export a run of another method"
        )
    dtype = settings.model.dtype
    dtype = models.native_dtype() if dtype == "auto" else dtype
    if dtype not in _TOLERANCE:
        raise errors.ConfigError(
            f"model.dtype {dtype} cannot be exported; only "
            f"{' and '.join(_TOLERANCE)} can"
        )
    path = pathlib.Path(out)
    file_io.check(path)
    # Before the program is replaced: it must not stand beside another's description.
    description = path.with_name(f"{path.name}.json")
    description.unlink(missing_ok=True)
    with file_io.whole(path) as partial:
        partial.write_bytes(_lowered(network).serialize())
        # From the disk, so that what is compared is what others will read.
        program = export.deserialize(bytearray(partial.read_bytes()))
        difference = _difference(network, program)
        if not difference <= _TOLERANCE[dtype]:
            raise RuntimeError(
                f"the exported program differs from the network by {difference:.2g} "
                "of the largest value, so it was not kept"
            )
    file_io.write_json(description, _description(network, program))
    return Exported(path, description, difference)


def _lowered(network: trained.TrainedNetwork) -> export.Exported:
    """The program for any number of videos and views, on all platforms."""
    sizes = export.symbolic_shape("videos, views")
    video = jax.ShapeDtypeStruct((*sizes, *_clip_shape(network)), np.uint8)
    program = jax.jit(network.predictor.program())
    return export.export(program, platforms=PLATFORMS)(video)


def _clip_shape(network: trained.TrainedNetwork) -> tuple[int, ...]:
    """[T, H, W, 3] at test."""
    data = network.settings.data
    _, frames = data.sampling.test_shape()
    return frames, data.transform.size, data.transform.size, 3


def _difference(network: trained.TrainedNetwork, program: export.Exported) -> float:
    """How far the program is from the network on videos of random pixels."""
    shape = (_VIDEOS, _VIEWS, *_clip_shape(network))
    video = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    rows = np.arange(_VIDEOS)
    batch = {
        "video": video,
        "index": rows,
        "label": rows,
        "mask": np.ones(_VIDEOS, bool),
        "unreadable": np.zeros(_VIDEOS, bool),
    }
    # As in a test of the run: views in chunks, on all of this process's devices.
    expected = network.predictor.run([batch], rows, rows)
    found = program.call(video)
    differences = []
    # Features too: on noise, all probabilities may be close to 0 and 1.
    for name in ("probabilities", "features"):
        before, after = getattr(expected, name), np.asarray(found[name])
        differences.append(np.abs(after - before).max() / np.abs(before).max())
    return float(np.max(differences))  # NaN if either is


def _description(
    network: trained.TrainedNetwork, program: export.Exported
) -> dict[str, object]:
    data = network.settings.data
    outputs = jax.tree.unflatten(program.out_tree, program.out_avals)
    now = datetime.datetime.now(datetime.UTC)
    return {
        "format": "StableHLO, serialised by jax.export",
        "calling_convention_version": program.calling_convention_version,
        "platforms": program.platforms,
        # Convolutions are computed in the way that is fastest there.
        "written_on": jax.default_backend(),
        "written": now.isoformat(timespec="seconds"),
        "network": dataclasses.asdict(network.settings.model),
        "method": network.settings.method.name,
        "input": {
            "video": {
                "shape": ["videos", "views", *_clip_shape(network)],
                "axes": ["video", "view", "frame", "row", "column", "RGB"],
                "dtype": "uint8",
                "range": [0, 255],
            },
            "frames": dataclasses.asdict(data.sampling),
            "pixels": {
                "short_side": data.transform.short_side,
                "centre_crop": data.transform.size,
                "interpolation": "bilinear, half-pixel centres, no smoothing",
            },
        },
        "output": {
            name: {"shape": ["videos", output.shape[1]], "dtype": str(output.dtype)}
            for name, output in outputs.items()
        },
        "classes": network.classes,
        "environment": run_record.environment(),
    }
