"""How cost grows: steps, reading, evaluation, audits and studies at several sizes.

    python -m tests.benchmarks.growth --write docs/performance.md
    python -m tests.benchmarks.growth --only batch aspects

Prints the seconds at each size, and what a doubling at the largest sizes multiplies
them by: 2 where cost is in proportion to the work, 1 where the work stays the same, 1/2
where only the cores become more. Steps and evaluation are of the embedded benchmark's
SMAD on one core, in processor time, as are audits; reading and studies are in real
time.
"""

import dataclasses
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from unittest import mock

import jax
import numpy as np

from data_prep.embedded import make
from smad_jax.base import aspect_table
from smad_jax.data import preparation
from smad_jax.evaluation import predict
from smad_jax.experiment import build, config_files, memory
from smad_jax.experiment.settings import Settings
from smad_jax.methods import base
from smad_jax.reporting import runs
from smad_jax.training import (
    parameter_layout,
    schedules,
    sharding,
    stepping,
    train_state,
)
from tests.benchmarks import loading, measuring

CONFIG = "configs/slowonly_smad.py"
CLASSES = [str(number) for number in range(10)]
HEADER = ("what", "sizes", "seconds at each", "twice as much", "in proportion", "so")
# What a doubling multiplies the seconds by where cost is in proportion.
WORK, SAME_WORK, CORES = 2.0, 1.0, 0.5
VIEWS = 10  # of a test video


class Series(NamedTuple):
    """Seconds at several sizes, and the factor of a doubling that is in proportion."""

    what: str
    sizes: tuple[float, ...]
    seconds: tuple[float, ...]
    expected: float


class Measure(NamedTuple):
    """How often to measure, with which clock, and the videos of the largest audit."""

    repeats: int
    clock: measuring.Clock
    videos: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = measuring.parser("growth", repeats=5)
    add = parser.add_argument
    add("--only", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART")
    add("--videos", type=int, default=1_000_000, help="of the largest audit")
    add("--devices", action="store_true", help="measure a step on this process's")
    chosen = parser.parse_args(arguments)
    measure = Measure(chosen.repeats, measuring.keep_to(1), chosen.videos)
    if chosen.devices:  # started by `devices` below
        print(json.dumps(seconds_of({0: stepper(embedded(), 2)}, measure)))
        return 0
    found = []
    for part in chosen.only:
        print(part, file=sys.stderr, flush=True)
        found.append(PARTS[part](measure))
    note = f"Medians of {chosen.repeats}; audits and studies are measured once."
    rows = [cells(series) for series in found]
    measuring.publish("growth", HEADER, rows, note=note, page=chosen.write)
    return 0


def cells(series: Series) -> list[str]:
    """Returns a row of the table."""
    factor = per_doubling(series.sizes, series.seconds)
    return [
        series.what,
        ", ".join(f"{size:,g}" if size < 1e6 else "1 M" for size in series.sizes),
        ", ".join(f"{seconds:.3g}" for seconds in series.seconds),
        f"x {factor:.2f}",
        f"x {series.expected:g}",
        verdict(factor, series.expected),
    ]


def per_doubling(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Returns what a doubling of the size multiplies the seconds by, at the end.

    Between the two largest sizes: there fixed costs matter least.
    """
    growth = math.log(seconds[-1] / seconds[-2])
    return 2 ** (growth / math.log(sizes[-1] / sizes[-2]))


def verdict(factor: float, expected: float) -> str:
    """Returns how the factor of a doubling compares with the one in proportion."""
    if factor > 1.1 * expected:
        return "cores wait" if expected == CORES else "**more than its work**"
    return "in proportion" if factor > 0.9 * expected else "less: a fixed cost shares"


def embedded() -> Settings:
    """Returns the settings of SMAD on the embedded benchmark."""
    return Settings.read(config_files.load_config(CONFIG))


def sized(*, batch: int = 16, frames: int = 4, side: int = 32) -> Settings:
    """Returns them for other clips and batches."""
    settings = embedded()
    data = dataclasses.replace(
        settings.data,
        batch_size=batch,
        sampling=dataclasses.replace(settings.data.sampling, num_frames=frames),
        transform=dataclasses.replace(settings.data.transform, size=side, resize=0),
    )
    return dataclasses.replace(settings, data=data)


def own_aspects(number: int) -> dict[str, aspect_table.Aspect]:
    """Returns so many aspects of twelve labels each."""
    made = (
        aspect_table.Aspect(f"own{n}", "soft", 12, "made up") for n in range(number)
    )
    return {aspect.name: aspect for aspect in made}


def modules(settings: Settings, number: int) -> base.Trained:
    """Builds the network and the heads for a number of aspects."""
    return build.build_modules(
        settings, CLASSES, own_aspects(number), total_steps=10_000
    )


def stepper(settings: Settings, num_aspects: int) -> Callable[[], object]:
    """Returns a function that takes a training step on all devices."""
    mesh, direction = sharding.make_mesh(), build.make_direction(settings)
    graph, state = train_state.create(lambda: modules(settings, num_aspects), direction)
    layout = parameter_layout.layout(state, mesh)
    rate = schedules.cosine(0.001, epochs=100, steps_per_epoch=100)
    step = stepping.make_train_step(graph, base.loss, direction, rate, layout=layout)
    batch = filled(memory.outline(settings, own_aspects(num_aspects), mesh))
    states, key = [sharding.place(state, layout)], jax.random.key(0)

    def call() -> None:
        states[0], metrics = step(states[0], batch, key)
        jax.block_until_ready(metrics)

    return call


def filled(outline: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Returns arrays of these shapes on their devices."""
    rng = np.random.default_rng(0)

    def array(struct: jax.ShapeDtypeStruct) -> jax.Array:
        largest = 256 if struct.dtype == np.uint8 else 2
        drawn = rng.integers(0, largest, struct.shape).astype(struct.dtype)
        return jax.device_put(drawn, struct.sharding)

    return jax.tree.map(array, dict(outline))


def seconds_of(
    calls: Mapping[Any, Callable[[], object]], measure: Measure
) -> tuple[float, ...]:
    """Compiles and measures calls in turns; returns their medians."""
    for call in calls.values():
        call()
    found = measuring.alternate(calls, measure.repeats, measure.clock)
    return tuple(statistics.median(found[key]) for key in calls)


def batches(measure: Measure) -> Series:
    """Measures a step with more and more videos."""
    sizes = (8, 16, 32, 64)
    calls = {n: stepper(sized(batch=n), 2) for n in sizes}
    return Series("step by batch", sizes, seconds_of(calls, measure), WORK)


def frames(measure: Measure) -> Series:
    """Measures a step with longer and longer clips."""
    sizes = (4, 8, 16, 32)
    calls = {n: stepper(sized(frames=n), 2) for n in sizes}
    return Series("step by frames", sizes, seconds_of(calls, measure), WORK)


def resolutions(measure: Measure) -> Series:
    """Measures a step with more and more pixels."""
    sides = (32, 64, 128)
    calls = {side: stepper(sized(side=side), 2) for side in sides}
    pixels = tuple(float(side * side) for side in sides)
    return Series("step by pixels", pixels, seconds_of(calls, measure), WORK)


def aspects(measure: Measure) -> Series:
    """Measures a step against more and more aspects, whose heads are small."""
    sizes = (1, 2, 4, 8)
    calls = {n: stepper(embedded(), n) for n in sizes}
    return Series("step by aspects", sizes, seconds_of(calls, measure), SAME_WORK)


def devices(measure: Measure) -> Series:
    """Measures a step of the same batch on virtual devices of one core."""
    sizes, found = (1, 2, 4, 8), []
    for number in sizes:
        flag = f"--xla_force_host_platform_device_count={number}"
        answer = subprocess.run(
            [
                *(sys.executable, "-m", "tests.benchmarks.growth", "--devices"),
                *("--repeats", str(measure.repeats)),
            ],
            env=os.environ | {"XLA_FLAGS": flag, "JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE,
            check=True,
        )
        found += json.loads(answer.stdout)
    return Series("step by virtual devices", sizes, tuple(found), SAME_WORK)


def evaluation(measure: Measure) -> Series:
    """Measures predictions of more and more videos, ten clips each."""
    settings, sizes = embedded(), (16, 32, 64, 128)
    graph, params, stats = train_state.split(modules(settings, 2))
    chunk = settings.evaluation.view_chunk
    predictor = predict.Predictor(graph, params, stats, view_chunk=chunk)
    calls = {
        n: lambda n=n: predictor.run(
            in_batches(n), np.arange(n).astype(str), np.zeros(n, np.int32)
        )
        for n in sizes
    }
    clips = tuple(float(VIEWS * n) for n in sizes)
    return Series("evaluation by clips", clips, seconds_of(calls, measure), WORK)


def in_batches(number: int) -> Iterator[dict[str, np.ndarray]]:
    """Yields so many videos in batches of eight."""
    rng, size = np.random.default_rng(0), 8
    for start in range(0, number, size):
        yield {
            "video": rng.integers(0, 256, (size, VIEWS, 4, 32, 32, 3), np.uint8),
            "label": np.zeros(size, np.int32),
            "index": np.arange(start, start + size, dtype=np.int32),
            "mask": np.ones(size, bool),
            "unreadable": np.zeros(size, bool),
        }


def workers(measure: Measure) -> Series:
    """Measures reading with more and more processes, up to one for each core."""
    sizes = powers_of_two(len(measuring.CORES))
    number = 20 * loading.BATCH_SIZE
    os.sched_setaffinity(0, measuring.CORES)
    with tempfile.TemporaryDirectory() as folder:
        store = next(loading.stores(pathlib.Path(folder), 4))
        found = []
        for size in sizes:
            with loading.stream(store, size) as clips:
                found.append(1 / loading.rate(clips, number))
    os.sched_setaffinity(0, measuring.CORES[:1])
    return Series("reading a clip by workers", sizes, tuple(found), CORES)


def audits(measure: Measure) -> Series:
    """Measures audits of more and more predictions, each ten times as many."""
    largest, found = measure.videos, []
    sizes = [n for n in (1_000, 10_000, 100_000) if n < largest] + [largest]
    for number in sizes:
        command = [sys.executable, "-m", "tests.benchmarks.audit", "--videos"]
        answer = subprocess.run(
            [*command, str(number)], stdout=subprocess.PIPE, check=True
        )
        found.append(json.loads(answer.stdout)["processor_seconds"])
    return Series("audit by videos", tuple(sizes), tuple(found), WORK)


def study(measure: Measure) -> Series:
    """Measures as many short runs as there are cores, more and more side by side."""
    sizes, root = powers_of_two(len(measuring.CORES)), preparation.default_root()
    make.prepare(pathlib.Path(root), 0, log=lambda line: None)
    os.sched_setaffinity(0, measuring.CORES)
    own = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.dict(os.environ, own, clear=True),  # the runs have their own threads
    ):
        out = pathlib.Path(folder)
        # The first run compiles what the others take from the cache.
        consume(runs.make(jobs(out / "first", 1), at_once=1, report=lambda line: None))
        calls = {
            n: lambda n=n: consume(
                runs.make(
                    jobs(out / str(n), sizes[-1]), at_once=n, report=lambda line: None
                )
            )
            for n in sizes
        }
        found = measuring.alternate(calls, 1, time.perf_counter)
    os.sched_setaffinity(0, measuring.CORES[:1])
    seconds = tuple(found[n][0] for n in sizes)
    return Series("study by runs side by side", sizes, seconds, CORES)


def jobs(out: pathlib.Path, number: int) -> list[runs.Job]:
    """Returns so many short runs of the demo's baseline."""
    flags = ("--config.training.max_steps=400",)
    config = "configs/slowonly_baseline.py"
    return [runs.Job(config, flags, out / str(n)) for n in range(number)]


def consume(values: Iterable[object]) -> None:
    """Takes everything from an iterator."""
    for _ in values:
        pass


def powers_of_two(most: int) -> tuple[int, ...]:
    """Returns 1, 2, 4 and so on up to `most`."""
    return tuple(1 << n for n in range(most.bit_length()))


PARTS: Mapping[str, Callable[[Measure], Series]] = {
    "batch": batches,
    "frames": frames,
    "resolution": resolutions,
    "aspects": aspects,
    "devices": devices,
    "evaluation": evaluation,
    "workers": workers,
    "audit": audits,
    "study": study,
}


if __name__ == "__main__":
    sys.exit(main())
