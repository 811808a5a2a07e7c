"""Runs the reference's sampling, crops and resizing; keeps what came out.

    python tests/golden/make_sampling.py --mmaction2 DIR --mmcv DIR

DIR is a clone of the repository of that name, bare or not. The classes are taken from
the commits in `LINES`, their registries are left out, and their random numbers are
replaced by chosen ones (`Draws`), so that sampling.npz holds what the reference does
with a given draw and the bounds it asked for: its distribution, not one sample of it.
Nothing of the reference's text is kept. Needs NumPy and OpenCV; the file in the
repository was made with the OpenCV of the reference's time, see its `provenance`.

The tables and `Draws` are shared with the tests that read the file.
"""

import argparse
import ast
import itertools
import json
import pathlib
import subprocess
import types
import typing
import zlib
from collections.abc import Iterable

import cv2
import numpy as np

FILE = pathlib.Path(__file__).with_name("sampling.npz")

# For each line the commits, and the files of mmaction2.
LINES = {
    "0.x": (
        ("mmaction2", "71a938ab54c0ce54c43b6c21b9658408a2bb3c0f"),
        ("mmcv", "1d8f9285674f2b1f9f2d7758d3f945ebb74fcf82"),
        "mmaction/datasets/pipelines/loading.py",
        "mmaction/datasets/pipelines/augmentations.py",
    ),
    "1.x": (
        ("mmaction2", "4d6c93474730cad2f25e51109adcf96824efc7a3"),
        ("mmcv", "a8073c74bf83d62ec36a103f835faa4837fb6585"),
        "mmaction/datasets/transforms/loading.py",
        "mmaction/datasets/transforms/processing.py",
    ),
}

LENGTHS = range(1, 401)  # frames of a video
SAMPLINGS = {  # sections of a config
    "clip 8x8": {"kind": "clip", "num_frames": 8, "stride": 8, "test_views": 10},
    "clip 8x8 once": {"kind": "clip", "num_frames": 8, "stride": 8, "test_views": 1},
    "clip 16x1": {"kind": "clip", "num_frames": 16, "stride": 1, "test_views": 10},
    "clip 4x16": {"kind": "clip", "num_frames": 4, "stride": 16, "test_views": 10},
    "clip 4x1": {"kind": "clip", "num_frames": 4, "stride": 1, "test_views": 3},
    "clip 1x4": {"kind": "clip", "num_frames": 1, "stride": 4, "test_views": 5},
    "tsn 3": {"kind": "segments", "num_frames": 3, "test_views": 25},
    "tsn 8": {"kind": "segments", "num_frames": 8, "test_views": 3},
    "tsn 25": {"kind": "segments", "num_frames": 25, "test_views": 1},
}
TRAIN_FRACTIONS = {
    "lowest": (0.0,),
    "highest": (1 - 2**-53,),
    "mixed": (0.9, 0.4, 0.7, 0.05, 0.5, 0.2, 0.99),  # neither rising nor falling
}

# (height, width): after the resize to 256, and some that no box or few fit into.
BOX_SIZES = ((256, 341), (256, 455), (455, 256), (256, 256), (257, 256), (128, 171))
EXTREME_BOX_SIZES = ((1, 400), (400, 1), (30, 400), (17, 4000), (3, 5), (2, 2), (1, 1))
BOXES = 300  # for each size
TRIES = 10

SHORT_SIDES = (256, 320)
SIDES = range(64, 721)  # of the pictures whose new size is kept: all pairs
LARGE_SIZES = ((1080, 1920), (1920, 1080), (2160, 3840), (1080, 1440), (817, 1920))
CROP, CROP_SIDES = 224, range(224, 290)

# (height, width) from and to: larger, smaller, odd, both ways at once.
RESIZES = (
    *(((240, 320), to) for to in ((256, 341), (224, 224), (120, 160), (97, 61))),
    *(((240, 427), to) for to in ((256, 455), (224, 224), (480, 854), (121, 213))),
    *(((256, 341), to) for to in ((224, 224), (256, 342), (511, 683))),
    *(((360, 480), to) for to in ((256, 341), (180, 240), (90, 120))),
    *(((37, 53), to) for to in ((224, 224), (112, 112), (19, 27), (74, 11))),
    *(((455, 256), to) for to in ((224, 224), (256, 144))),
    *(((720, 1280), to) for to in ((256, 455), (224, 224))),
    *(((5, 7), to) for to in ((224, 224), (3, 2), (1, 1))),
    ((1, 1), (4, 3)),
)
# Whole pipelines: (height, width) of the video.
PICTURES = ((240, 320), (240, 427), (427, 240), (257, 340), (361, 479), (64, 64))
CHAINS = 6  # draws for each picture
NUM_FRAMES = 3
FLIP_FRACTIONS = (0.0, 0.5 - 2**-53, 0.5, 1 - 2**-53)

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def fractions(seed: int, count: int) -> np.ndarray:
    """Returns `count` numbers in [0, 1), the same with every version of NumPy."""
    return (np.random.PCG64(seed).random_raw(count) >> np.uint64(11)) * 2.0**-53


def frames(height: int, width: int) -> np.ndarray:
    """Returns [T, height, width, 3] uint8 noise, the same with every version."""
    size = NUM_FRAMES * height * width * 3
    raw = np.random.PCG64(1000 * height + width).random_raw(size // 8 + 1)
    noise = raw.astype("<u8").view(np.uint8)[:size]
    return noise.reshape(NUM_FRAMES, height, width, 3)


def checksum(array: np.ndarray) -> int:
    """Returns the CRC-32 of the elements, in order."""
    return zlib.crc32(np.ascontiguousarray(array).tobytes())


def box_draws(seed: int) -> tuple[np.ndarray, float, float]:
    """Returns a crop's fractions: [20] for the shapes, then across, then down."""
    drawn = fractions(seed, 2 * TRIES + 2)
    return drawn[:-2], float(drawn[-2]), float(drawn[-1])


def flip_draw(seed: int) -> float:
    """Returns the fraction that decides on the flip: below 1/2 it happens."""
    return float(fractions(seed, 2 * TRIES + 3)[-1])


class Draws:
    """Chosen fractions in place of a random generator.

    It has the methods that the reference (`numpy.random`, `random`) and we
    (`numpy.random.Generator`) draw with, and records their arguments.

    Attributes:
        asked: For each call the lowest value, the bound above and the count.
    """

    def __init__(self, values: Iterable[float]):
        self._values = itertools.cycle(values)
        self.asked: list[tuple[float, float, int]] = []

    def _take(self, low: float, high: float, size: int | None) -> np.ndarray:
        self.asked.append((float(low), float(high), size or 1))
        drawn = np.array(list(itertools.islice(self._values, size or 1)))
        return drawn if size else drawn[0]

    def integers(self, high: int, size: int | None = None) -> np.ndarray:
        """As Generator.integers: from 0 to below `high`."""
        return np.int64(np.floor(self._take(0, high, size) * high))

    def uniform(self, low: float, high: float, size: int) -> np.ndarray:
        """As Generator.uniform and numpy.random.uniform."""
        return low + (high - low) * self._take(low, high, size)

    def random(self) -> float:
        """As Generator.random and numpy.random.rand."""
        return float(self._take(0, 1, None))


class NumpyRandom(Draws):
    """The reference's `numpy.random`."""

    def randint(self, high: int, size: int) -> np.ndarray:
        """As numpy.random.randint with one bound."""
        return self.integers(high, size)

    rand = Draws.random


class PlainRandom(Draws):
    """The reference's `random`."""

    def randint(self, low: int, high: int) -> int:
        """As random.randint: both bounds may come."""
        assert low == 0
        return int(self.integers(high + 1))


class _Transform:
    """What the classes of the 1.x line derive from."""

    def __call__(self, results: dict) -> dict:
        return self.transform(results)


class Reference:
    """The reference's transforms of one line.

    Args:
        line: Key of `LINES`.
        folders: Where the repositories lie, by name.
    """

    def __init__(self, line: str, folders: dict[str, pathlib.Path]):
        (mmaction2, commit), (mmcv, mmcv_commit), loading, spatial = LINES[line]
        self._numpy = types.SimpleNamespace(**vars(np))
        self._names = {
            "np": self._numpy,
            "cv2": cv2,
            "BaseTransform": _Transform,
            "_pair": lambda size: (size, size),
            "imread_backend": "cv2",
            **{name: getattr(typing, name) for name in typing.__all__},
        }
        for path in ("mmcv/image/geometric.py", "mmcv/image/photometric.py"):
            self._load(folders[mmcv], mmcv_commit, path)
        self._names["mmcv"] = self._names["mmengine"] = types.SimpleNamespace(
            is_tuple_of=lambda values, kind: all(isinstance(v, kind) for v in values),
            **self._names,
        )
        for path in (loading, spatial):
            self._load(folders[mmaction2], commit, path)

    def _load(self, folder: pathlib.Path, commit: str, path: str) -> None:
        """Defines the functions and wanted classes of a file, undecorated."""
        command = ["git", "-C", str(folder), "show", f"{commit}:{path}"]
        tree = ast.parse(
            subprocess.run(command, check=True, capture_output=True).stdout
        )
        wanted = {"SampleFrames", "RandomCrop", "RandomResizedCrop", "Resize", "Flip"}
        wanted |= {"CenterCrop", "cv2_interp_codes"}
        kept = []
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                node.decorator_list = []
            if isinstance(node, ast.ClassDef) and node.name not in wanted:
                continue
            if isinstance(node, ast.Assign) and node.targets[0].id not in wanted:
                continue
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Assign):
                kept.append(node)
        tree.body = kept
        exec(compile(tree, path, "exec"), self._names)

    def run(
        self,
        name: str,
        results: dict,
        *,
        draws: NumpyRandom | None = None,
        plain_draws: PlainRandom | None = None,
        **settings: object,
    ) -> dict:
        """Returns what the transform `name` makes of `results`."""
        self._numpy.random = draws
        self._names["random"] = plain_draws
        return self._names[name](**settings)(results)

    def function(self, name: str):
        """Returns a function of mmcv."""
        return self._names[name]


def sample(
    reference: Reference, section: dict, part: str, num_frames: int, **draws: Draws
) -> np.ndarray:
    """Returns the frame numbers of `part`, `train` or `test`: [T] or [N, T]."""
    count = {"train": section["num_frames"], "test": section["test_views"]}[part]
    shape = (1, 1, count)  # of a clip, in frames; stride; clips
    if section["kind"] == "clip":
        clips = count if part == "test" else 1
        shape = (section["num_frames"], section["stride"], clips)
    settings = dict(
        zip(("clip_len", "frame_interval", "num_clips"), shape, strict=True)
    )
    results = {"total_frames": num_frames, "start_index": 0}
    settings["test_mode"] = part == "test"
    results = reference.run("SampleFrames", results, **draws, **settings)
    numbers = results["frame_inds"]
    clip_in_test = section["kind"] == "clip" and part == "test"
    return numbers.reshape(shape[2], shape[0]) if clip_in_test else numbers


def samples(reference: Reference) -> dict[str, np.ndarray]:
    """Frame numbers at test, and at training with the bounds of the draw."""
    arrays = {}
    for name, section in SAMPLINGS.items():
        rows = [sample(reference, section, "test", n) for n in LENGTHS]
        arrays[f"{name}/test"] = np.array(rows, np.int16)
        for kind, values in TRAIN_FRACTIONS.items():
            rows, asked = [], []
            for n in LENGTHS:
                draws = NumpyRandom(values)
                rows.append(sample(reference, section, "train", n, draws=draws))
                assert len(draws.asked) <= 1
                asked += draws.asked or [(0, 0, 0)]
            arrays[f"{name}/train/{kind}"] = np.array(rows, np.int16)
            arrays[f"{name}/train/asked"] = np.array(asked, np.int16)
    return arrays


def boxes(reference: Reference) -> dict[str, np.ndarray]:
    """Crops as (top, left, height, width), with the bounds of their draws."""
    arrays = {}
    for height, width in (*BOX_SIZES, *EXTREME_BOX_SIZES):
        rows = []
        for seed in range(BOXES):
            shapes, across, down = box_draws(seed)
            results = {"img_shape": (height, width)}
            draws, plain = NumpyRandom(shapes), PlainRandom((across, down))
            results = reference.run(
                "RandomResizedCrop", results, draws=draws, plain_draws=plain
            )
            left, top, right, bottom = results["crop_bbox"]
            rows.append((top, left, bottom - top, right - left))
        arrays[f"box/{height}x{width}"] = np.array(rows, np.int16)
        arrays["box/asked"] = np.array(draws.asked)  # alike for all
    return arrays


def sizes(reference: Reference) -> dict[str, np.ndarray]:
    """New sizes of the short-side resize, and the offsets of the central crop."""
    arrays = {}
    for short in SHORT_SIDES:
        rows = [
            [checksum(np.array([_resized(reference, h, w, short) for w in SIDES]))]
            for h in SIDES
        ]
        arrays[f"size/{short}"] = np.array(rows, np.uint32)[:, 0]
        large = [_resized(reference, *size, short) for size in LARGE_SIZES]
        arrays[f"size/{short}/large"] = np.array(large)
    rows = [
        reference.run("CenterCrop", {"img_shape": (h, w)}, crop_size=CROP)["crop_bbox"]
        for h, w in itertools.product(CROP_SIDES, repeat=2)
    ]
    arrays["centre"] = np.array(rows, np.int16)[:, [1, 0, 3, 2]]
    return arrays


def _resized(reference: Reference, height: int, width: int, short: int) -> list[int]:
    results = {"img_shape": (height, width)}
    return list(reference.run("Resize", results, scale=(-1, short))["img_shape"])


def pixels(reference: Reference) -> dict[str, np.ndarray]:
    """Checksums of resized pictures and of whole pipelines; normalised values."""
    resized = []
    for (height, width), (new_height, new_width) in RESIZES:
        for frame in frames(height, width):
            size = new_width, new_height
            resized.append(checksum(reference.function("imresize")(frame, size)))
    arrays = {"resize": np.array(resized, np.uint32).reshape(-1, NUM_FRAMES)}
    trained = [
        _train_chain(reference, *picture, seed)
        for picture in PICTURES
        for seed in range(CHAINS)
    ]
    arrays["train"] = np.array(trained, np.uint32)
    arrays["test"] = np.array([_test_chain(reference, *p) for p in PICTURES], np.uint32)
    frame, mirrored = frames(5, 7)[0], []
    for value in FLIP_FRACTIONS:
        results = {"imgs": [frame.copy()], "img_shape": (5, 7), "modality": "RGB"}
        results = reference.run("Flip", results, draws=NumpyRandom([value]))
        mirrored.append(results["imgs"][0])
    arrays["flip"] = np.array(mirrored)
    values = np.repeat(np.arange(256, dtype=np.float32)[:, None, None], 3, axis=-1)
    mean, std = np.array(MEAN, np.float32), np.array(STD, np.float32)
    normalised = reference.function("imnormalize_")(values, mean, std, False)
    arrays["normalised"] = normalised[:, 0]
    return arrays


def _train_chain(reference: Reference, height: int, width: int, seed: int) -> list[int]:
    shapes, across, down = box_draws(seed)
    draws = NumpyRandom([*shapes, flip_draw(seed)])
    plain = PlainRandom((across, down))
    results = {"imgs": list(frames(height, width).copy()), "modality": "RGB"}
    results = reference.run("Resize", results, scale=(-1, 256))
    results = reference.run(
        "RandomResizedCrop", results, draws=draws, plain_draws=plain
    )
    results = reference.run("Resize", results, scale=(CROP, CROP), keep_ratio=False)
    results = reference.run("Flip", results, draws=draws)
    return [checksum(frame) for frame in results["imgs"]]


def _test_chain(reference: Reference, height: int, width: int) -> list[int]:
    results = {"imgs": list(frames(height, width).copy())}
    results = reference.run("Resize", results, scale=(-1, 256))
    results = reference.run("CenterCrop", results, crop_size=CROP)
    return [checksum(frame) for frame in results["imgs"]]


def main() -> None:
    """Writes sampling.npz next to this file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mmaction2", type=pathlib.Path, required=True)
    parser.add_argument("--mmcv", type=pathlib.Path, required=True)
    folders = vars(parser.parse_args())
    provenance = {
        "lines": {line: dict(commits[:2]) for line, commits in LINES.items()},
        "repositories": [f"https://github.com/open-mmlab/{name}" for name in folders],
        "opencv": cv2.__version__,
        "numpy": np.__version__,
    }
    arrays = {"provenance": np.array(json.dumps(provenance))}
    for line in LINES:
        reference = Reference(line, folders)
        for made in (samples, boxes, sizes, pixels):
            named = made(reference).items()
            arrays |= {f"{line}/{name}": array for name, array in named}
    np.savez_compressed(FILE, **arrays)
    print(f"{FILE}: {len(arrays)} arrays, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
