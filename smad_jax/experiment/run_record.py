"""The record that a run writes into its folder: config, environment and results."""

import dataclasses
import datetime
import json
import os
import pathlib
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata

import jax
import ml_collections

from smad_jax import errors, models
from smad_jax.base import file_io
from smad_jax.data import bad_videos
from smad_jax.experiment import run_folder
from smad_jax.experiment.settings import Settings
from smad_jax.training import log, usage

# Keys that leave every number of a run as it is, but for rounding: another machine may
# need others.
_OF_THE_MACHINE = {
    "model.remat",
    "training.accumulate",
    "training.model_axis",
    *(f"data.{key}" for key in ("root", "num_threads", "num_workers", "cache_mib")),
    "training.profile",
    "training.wandb",
}


@dataclasses.dataclass(frozen=True)
class Record:
    """The result of a run.

    Attributes:
        results: Metrics named `set/metric`, between 0 and 1.
        n_seen: Number of videos predicted of each test set.
        unreadable: How many of them could not be read, and so count as wrong.
        sees_target_data: Whether the method saw videos of a test set, without their
            labels, before it was tested.
        seed: The run's seed.
        seconds: Wall time of the run.
        processor_seconds: Time that its process had the processor, all threads added;
            None if another process did a part of the run.
        skipped_steps: Updates that were not finite and changed nothing.
    """

    results: dict[str, float]
    n_seen: Mapping[str, int]
    unreadable: Mapping[str, int]
    sees_target_data: bool
    seed: int
    seconds: float
    processor_seconds: float | None
    skipped_steps: int = 0


def with_dtype(
    config: ml_collections.ConfigDict, folder: pathlib.Path
) -> ml_collections.ConfigDict:
    """Returns the config with a dtype in place of `auto`.

    It is that of the run in `folder`, if there is one, so that a run resumes in its own
    on any machine; otherwise that of these devices.

    Raises:
        ConfigError: if the config is wrong.
        DataError: if the run's own is damaged.
    """
    if Settings.read(config).model.dtype != "auto":
        return config
    path, dtype = folder / "config.json", models.native_dtype()
    if path.is_file():
        stored = file_io.read_json(path, "choose another --workdir, or pass --force")
        dtype = dict(run_folder.flat(stored)).get("model.dtype", dtype)
    config = config.copy_and_resolve_references()
    config.update_from_flattened_dict({"model.dtype": dtype})
    return config


def check_owner(folder: pathlib.Path, config: ml_collections.ConfigDict) -> None:
    """Makes sure that no other config was run in `folder`.

    Raises:
        ConfigError: naming every key that differs, if one does.
    """
    path = folder / "config.json"
    if not path.is_file():
        return
    # Both as JSON, which turns tuples into lists. A key that the folder's config lacks
    # came later and had the effect of its default.
    stored = file_io.read_json(path, "choose another --workdir, or pass --force")
    before = dict(run_folder.flat(stored))
    now = dict(run_folder.flat(json.loads(config.to_json())))
    later = now.keys() - before.keys()
    before |= {key: value for key, value in _defaults(stored).items() if key in later}
    changed = [
        f"  {key}: {before.get(key, 'unset')} -> {now.get(key, 'unset')}"
        for key in sorted((before | now).keys() - _OF_THE_MACHINE)
        if before.get(key) != now.get(key)
    ]
    if changed:
        raise errors.ConfigError(
            f"{folder} holds a run of another config (there -> here):\n"
            + "\n".join(changed)
            + "\nchoose another --workdir, or pass --force to use this one"
        )


def _defaults(stored: Mapping[str, object]) -> dict[str, object]:
    """The values of all keys of a stored config, defaults where it has none."""
    try:
        whole = dataclasses.asdict(Settings.parse(stored))
    except errors.ConfigError:  # of another time: then every key is compared
        return {}
    return dict(run_folder.flat(json.loads(json.dumps(whole))))


def claim(folder: pathlib.Path, config: ml_collections.ConfigDict) -> None:
    """Writes config and environment into `folder`, and from here on the log."""
    folder.mkdir(parents=True, exist_ok=True)
    file_io.write_json(folder / "config.json", json.loads(config.to_json()))
    file_io.write_json(folder / "env.json", environment())
    log.to_file(folder / "train.log")


def environment() -> dict[str, object]:
    """Returns versions, devices and the commit that a result depends on."""
    # Those that a number can depend on, decoding included (`av`).
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
    # Of the code's folder: the program may run in any other.
    here = pathlib.Path(__file__).parent
    try:
        found = subprocess.run(
            command, cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):  # no git, or no repository
        return "unknown"
    return found.stdout.strip()


def _holds(path: pathlib.Path, record: Record) -> bool:
    """Whether a file of results has the numbers of a record."""
    try:
        stored = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    keys = "results", "n_seen", "unreadable"
    return all(stored.get(key) == getattr(record, key) for key in keys)


def store(folder: pathlib.Path, record: Record) -> None:
    """Writes `results.json` unless it has these numbers."""
    processor_seconds = record.processor_seconds
    content = dataclasses.asdict(record) | {
        "seconds": round(record.seconds, 1),
        "processor_seconds": processor_seconds and round(processor_seconds, 1),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        # Repeated here, so that the file alone states where its numbers come from.
        **environment(),
    }
    # A finished run that is tested again would lose its duration, date and commit.
    if not _holds(folder / "results.json", record):
        file_io.write_json(folder / "results.json", content)


def write_results(folder: pathlib.Path, record: Record) -> None:
    """Stores a record, and logs the closing table."""
    store(folder, record)
    columns = ["top1", "top5", "mean_class"]
    unreadable = any(record.unreadable.values())
    titles = [*columns, *["unreadable"] * unreadable]
    lines = [f"{'test set':<16}{'videos':>8}" + "".join(f"{c:>12}" for c in titles)]
    for name, count in record.n_seen.items():
        values = (record.results.get(f"{name}/{column}") for column in columns)
        # With at most five classes there is no top5.
        cells = ["" if value is None else f"{value:.1%}" for value in values]
        cells += [str(record.unreadable.get(name, 0))] * unreadable
        lines.append(f"{name:<16}{count:>8}" + "".join(f"{c:>12}" for c in cells))
    log.logger.info("\n".join([*lines, *bad_videos.summary(folder)]))
    if record.skipped_steps:
        log.logger.warning(f"{record.skipped_steps} updates were skipped: not finite")
    # One line for programs; `RESULT ` finds it in any log.
    log.logger.info(
        f"RESULT {json.dumps(record.results)}", extra={"for_programs": True}
    )
    peak = ", ".join(
        f"{size:.1f} GiB of {name.removeprefix('memory/')} memory"
        for name, size in usage.peak_memory().items()
    )
    log.logger.info(
        f"{log.clock(int(record.seconds))}, at most {peak}; all files are in {folder}"
    )
