"""Compiles steps for accelerators that are not here, and reports what they cost.

    pip install -r requirements-tpu-compile.txt
    python -m tests.benchmarks.compile_for --topology v5e:2x4 \\
        --config configs/slowonly_smad.py:k200db
    python -m tests.benchmarks.compile_for --write docs/performance.md

Needs no data: all shapes follow from the config. Without --config it compiles every
network of the table that docs/results/compiled.json lacks. One program takes some five
minutes of a core.
"""

import argparse
import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from unittest import mock

import jax
from jax.experimental import topologies

from smad_jax.base import aspect_names, aspect_table, file_io
from smad_jax.experiment import build, config_files, memory
from smad_jax.experiment.settings import Settings
from smad_jax.methods import base
from smad_jax.reporting import documents
from smad_jax.training import schedules, sharding, stepping, train_state
from tests.benchmarks import program_text

RESULTS = pathlib.Path("docs/results/compiled.json")
TOPOLOGY = "v5e:2x4"
NETWORKS = ("slowonly", "tsn", "resnet3d")
CONFIGS = tuple(
    f"configs/{network}_{method}.py:k200db"
    for network in NETWORKS
    for method in ("baseline", "smad")
)
DTYPES = ("bfloat16", "float32")
STEPS = ("train", "test")
NUM_CLASSES = 200  # of K200db; no shape but the head's depends on it
HEADS = (
    "config",
    *("dtype", "step", "GiB", "TFLOP", "GB counted", "GB in HBM", "all-reduces"),
    *("arithmetic, ms", "memory, ms", "roofline, ms"),
)


class Chip(NamedTuple):
    """Peak rates of a chip, from its data sheet: FLOP/s in bfloat16, and bytes/s."""

    flops: float
    bandwidth: float


CHIPS = {
    "v4": Chip(275e12, 1228e9),
    "v5e": Chip(197e12, 819e9),
    "v5p": Chip(459e12, 2765e9),
    "v6e": Chip(918e12, 1640e9),
}


class Program(NamedTuple):
    """What one device does in a step, by the compiler's count.

    Attributes:
        memory: Bytes of arguments, results and temporaries.
        flops: Of the whole step, products and all else.
        counted_bytes: Operands and results of every instruction, wherever they are.
        hbm_bytes: Those of them in the chip's main memory.
        collectives: Instructions that exchange data with other chips.
        collective_bytes: Their results.
    """

    memory: int
    flops: float
    counted_bytes: float
    hbm_bytes: int
    collectives: int
    collective_bytes: int


def devices(topology: str) -> Sequence[Any]:
    """Returns the devices of a topology such as `v5e:2x4`, without any of them."""
    # The compiler would otherwise ask the cloud's metadata server about this machine.
    # It also refuses to be loaded twice, as two programs cannot share real chips.
    for name in ("TPU_SKIP_MDS_QUERY", "ALLOW_MULTIPLE_LIBTPU_LOAD"):
        os.environ.setdefault(name, "1")
    kind, _, shape = topology.partition(":")
    # Hosts hold four chips, but a single chip is a topology, too.
    single = {"chips_per_host_bounds": (1, 1, 1)} if shape == "1x1" else {}
    found = topologies.get_topology_desc(
        platform="tpu", topology_name=f"{kind}:{shape}", **single
    )
    return found.devices


def lower(settings: Settings, step: str, mesh: jax.sharding.Mesh) -> jax.stages.Lowered:
    """Returns the program of a `train` or `test` step on devices that may not exist."""
    make = {"train": _train_step, "test": _test_step}[step]
    # The form of a convolution follows the platform that is asked for, not this one.
    platform = mesh.devices.flat[0].platform
    with mock.patch.object(jax, "default_backend", return_value=platform):
        return make(settings, mesh)


def count(compiled: jax.stages.Compiled) -> Program:
    """Returns what a compiled program costs one device."""
    sizes, costs = compiled.memory_analysis(), compiled.cost_analysis()
    if sizes is None or costs is None:
        raise RuntimeError("this compiler counts neither memory nor operations")
    text = compiled.as_text() or ""
    # Donated arguments are results, too.
    results = sizes.output_size_in_bytes - sizes.alias_size_in_bytes
    return Program(
        sizes.argument_size_in_bytes + results + sizes.temp_size_in_bytes,
        costs["flops"],
        costs["bytes accessed"],
        program_text.hbm_bytes(text),
        *program_text.collectives(text),
    )


def cells(key: str, program: Program) -> list[str]:
    """Returns a row of the table; `key` is topology, config, dtype and step."""
    topology, config, dtype, step = key.split(" ")
    chip = CHIPS[topology.partition(":")[0]]
    arithmetic = 1e3 * program.flops / chip.flops
    transfer = 1e3 * program.hbm_bytes / chip.bandwidth
    return [
        f"`{pathlib.Path(config.partition(':')[0]).stem}`",
        dtype,
        step,
        f"{program.memory / (1 << 30):.2f}",
        f"{program.flops / 1e12:.2f}",
        f"{program.counted_bytes / 1e9:.1f}",
        f"{program.hbm_bytes / 1e9:.1f}",
        f"{program.collectives}, {program.collective_bytes / 1e6:.0f} MB",
        f"{arithmetic:.1f}",
        f"{transfer:.1f}",
        f"{max(arithmetic, transfer):.1f}",
    ]


def table(programs: Mapping[str, Program]) -> str:
    """Returns the table of programs by their keys."""
    rows = [HEADS, ["---"] * len(HEADS), *(cells(*one) for one in programs.items())]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def read(path: pathlib.Path) -> dict[str, Program]:
    """Returns the programs that were compiled before, by their keys."""
    if not path.is_file():
        return {}
    kept = file_io.read_json(path, "compile them again")
    return {key: Program(**values) for key, values in kept.items()}


def compile_all(
    keys: Sequence[str], texts: pathlib.Path | None
) -> Iterator[tuple[str, Program]]:
    """Compiles programs one by one, and writes their text into a folder."""
    for key in keys:
        topology, config, dtype, step = key.split(" ")
        chosen = config_files.load_config(config)
        chosen.model.dtype = dtype
        mesh = sharding.make_mesh(devices(topology))
        compiled = lower(Settings.read(chosen), step, mesh).compile()
        if texts:
            texts.mkdir(parents=True, exist_ok=True)
            name = f"{pathlib.Path(config.partition(':')[0]).stem}-{dtype}-{step}.txt"
            (texts / name).write_text(compiled.as_text() or "", "utf-8")
        yield key, count(compiled)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compiles what is missing; prints the table, stores it and puts it on a page."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.compile_for")
    add = parser.add_argument
    add(
        "--topology", default=TOPOLOGY, help=f"one of {', '.join(CHIPS)}, and its shape"
    )
    add("--config", nargs="+", default=[], help="only these, not those of the table")
    add("--dtype", nargs="+", choices=DTYPES, default=DTYPES)
    add("--step", nargs="+", choices=STEPS, default=STEPS)
    add("--again", action="store_true", help="also what is in the results already")
    add("--results", type=pathlib.Path, default=RESULTS)
    add("--texts", type=pathlib.Path, help="folder for the compiled programs")
    add("--write", type=pathlib.Path, help="page to put the table of all results in")
    chosen = parser.parse_args(arguments)
    wanted = [
        f"{chosen.topology} {config} {dtype} {step}"
        for config in chosen.config or CONFIGS
        for dtype in chosen.dtype
        for step in chosen.step
    ]
    known = read(chosen.results)
    missing = [key for key in wanted if chosen.again or key not in known]
    if chosen.write and not chosen.config:
        missing = []  # the page holds what was compiled before
    for key, program in compile_all(missing, chosen.texts):
        print(table({key: program}), flush=True)
        known[key] = program
        kept = {name: value._asdict() for name, value in sorted(known.items())}
        chosen.results.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    if chosen.write:
        documents.replace(chosen.write, "compiled", table(known))
    return 0


def _train_step(settings: Settings, mesh: jax.sharding.Mesh) -> jax.stages.Lowered:
    aspects = _aspects(settings)
    direction = build.make_direction(settings)
    graph, state = _outline(
        lambda: train_state.create(lambda: _modules(settings, aspects), direction), mesh
    )
    # A schedule is a few scalar operations: its lengths do not matter.
    rate = schedules.cosine(
        settings.optimizer.learning_rate, epochs=100, steps_per_epoch=100
    )
    step = stepping.make_train_step(graph, base.loss, direction, rate)
    _, key = _outline(lambda: (None, jax.random.key(0)), mesh)
    return step.lower(state, memory.outline(settings, aspects, mesh), key, 1)


def _test_step(settings: Settings, mesh: jax.sharding.Mesh) -> jax.stages.Lowered:
    aspects = _aspects(settings)

    def split() -> tuple[Any, Any]:
        graph, *arrays = train_state.split(_modules(settings, aspects))
        return graph, arrays

    graph, arrays = _outline(split, mesh)

    def forward(arrays: Sequence[train_state.Tree], clips: jax.Array) -> jax.Array:
        modules = train_state.merge(graph, *arrays)
        return modules.model(clips, train=False).logits

    outline = memory.outline(settings, {}, mesh)["train"]["video"]
    _, frames = settings.data.sampling.test_shape()
    # Rounded up to the devices, as `Predictor` does.
    views = -(-settings.evaluation.view_chunk // mesh.size) * mesh.size
    clips = jax.ShapeDtypeStruct(
        (views, frames, *outline.shape[2:]),
        outline.dtype,
        sharding=outline.sharding,
    )
    return jax.jit(forward).lower(arrays, clips)


def _outline(
    make: Callable[[], tuple[Any, Any]], mesh: jax.sharding.Mesh
) -> tuple[Any, Any]:
    """Returns a structure, and the shapes of the arrays that `make` returns with it."""
    structures = []

    def arrays() -> Any:
        structure, made = make()
        structures.append(structure)
        return made

    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    shapes = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=everywhere),
        jax.eval_shape(arrays),
    )
    return structures[0], shapes


def _aspects(settings: Settings) -> dict[str, aspect_table.Aspect]:
    return {name: aspect_names.get(name) for name in settings.method.aspects}


def _modules(
    settings: Settings, aspects: Mapping[str, aspect_table.Aspect]
) -> base.Trained:
    classes = [str(number) for number in range(NUM_CLASSES)]
    return build.build_modules(settings, classes, aspects, total_steps=10_000)


if __name__ == "__main__":
    sys.exit(main())
