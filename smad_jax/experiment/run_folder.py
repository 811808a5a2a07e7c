"""The folder of a run: whose it is, what it was made with, how it ended."""

import datetime
import json
import os
import pathlib
import platform
import subprocess
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

import jax
import ml_collections

from smad_jax import errors, file_io
from smad_jax.training import log

Config = Any  # an ml_collections.ConfigDict, of whose values no checker knows


def run_name(file: str, argument: str, *, smoke: bool = False) -> str:
    """Returns the name of a run: the config's, its argument and `smoke`, joined."""
    plain = argument.replace(",", "-").replace("=", "-").replace("/", "-")
    parts = [pathlib.Path(file).stem, plain, "smoke" if smoke else ""]
    return "-".join(part for part in parts if part)


def check_owner(workdir: pathlib.Path, config: ml_collections.ConfigDict) -> None:
    """Makes sure that no other config was run in `workdir`.

    Raises:
        ConfigError: naming every key that differs, if one does.
    """
    path = workdir / "config.json"
    if not path.is_file():
        return
    before = dict(flat(json.loads(path.read_text("utf-8"))))
    now = dict(flat(json.loads(config.to_json())))
    changed = [
        f"  {key}: {before.get(key, 'unset')} -> {now.get(key, 'unset')}"
        for key in sorted(before | now)
        if before.get(key) != now.get(key)
    ]
    if changed:
        raise errors.ConfigError(
            f"{workdir} holds a run of another config (there -> here):\n"
            + "\n".join(changed)
            + "\nchoose another --workdir, or pass --force to go on in this one"
        )


def claim(workdir: pathlib.Path, config: ml_collections.ConfigDict) -> None:
    """Writes config and environment into `workdir`, and from here on the log."""
    workdir.mkdir(parents=True, exist_ok=True)
    file_io.write_json(workdir / "config.json", json.loads(config.to_json()))
    file_io.write_json(workdir / "env.json", environment())
    log.to_file(workdir / "train.log")


def read_config(workdir: pathlib.Path) -> Config:
    """Returns the config of the finished run in `workdir`.

    Raises:
        DataError: if there is no run, it has not come to its end, or its config is
            damaged.
    """
    missing = [
        name
        for name in ("config.json", "results.json")
        if not (workdir / name).exists()
    ]
    if missing:
        raise errors.DataError(
            f"no finished run in {workdir} (it has no {missing[0]}); python main.py "
            f"--config configs/NAME.py --workdir {workdir} makes one or ends it"
        )
    path = workdir / "config.json"
    try:
        return ml_collections.ConfigDict(json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise errors.DataError(f"{path} is damaged: {error}") from error


def environment() -> dict[str, Any]:
    """Returns versions, devices and the commit that a result depends on."""
    packages = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "av")
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in packages},
        "devices": [str(device.device_kind) for device in jax.devices()],
        "processes": jax.process_count(),
        "cpu_count": os.cpu_count(),
    }


def _commit() -> str:
    """Returns the code's commit, `-dirty` with changes, or `unknown`."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    here = pathlib.Path(__file__).parent
    try:
        found = subprocess.run(
            command, cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):  # no git, or no repository
        return "unknown"
    return found.stdout.strip()


def write_results(
    workdir: pathlib.Path,
    results: Mapping[str, float],
    n_seen: Mapping[str, int],
    unreadable: Mapping[str, int],
    *,
    seed: int,
    seconds: float,
    processor_seconds: float | None,
    sees_target_data: bool,
) -> None:
    """Writes `results.json` and logs the closing table.

    Args:
        workdir: Folder of the run.
        results: Metrics named `set/metric`, between 0 and 1.
        n_seen: Number of videos predicted of each test set.
        unreadable: How many of them could not be read, and so count as wrong.
        seed: The run's seed.
        seconds: Wall time of the run.
        processor_seconds: Time that its process had the processor, all threads added;
            None if a part of the run was done by another.
        sees_target_data: Whether the method saw videos of a test set, without their
            labels, before it was tested.
    """
    record = {
        "results": dict(results),
        "n_seen": dict(n_seen),
        "unreadable": dict(unreadable),
        "sees_target_data": sees_target_data,
        "seed": seed,
        "seconds": round(seconds, 1),
        "processor_seconds": processor_seconds and round(processor_seconds, 1),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **environment(),
    }
    file_io.write_json(workdir / "results.json", record)
    columns = ["top1", "top5", "mean_class"]
    lines = [f"{'test set':<16}{'videos':>8}" + "".join(f"{c:>12}" for c in columns)]
    for name, count in n_seen.items():
        cells = (results.get(f"{name}/{column}") for column in columns)
        lines.append(
            f"{name:<16}{count:>8}"
            + "".join(f"{'' if v is None else f'{v:.1%}':>12}" for v in cells)
        )
    log.logger.info("\n".join(lines))
    log.logger.info(f"RESULT {json.dumps(dict(results))}")
    log.logger.info(f"{log.clock(int(seconds))}; everything is in {workdir}")


def flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields (dotted key, value) of a nested config."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
