"""The memory that a training step needs, compared with what is free before the first.

The compiler counts what a step holds, so the answer is that of the network, method and
device at hand. It is used only where a rough estimate does not settle the question,
since compiling takes a while; the program it compiles is then in JAX's cache.
"""

import pathlib
import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from smad_jax import errors
from smad_jax.base import aspect_table
from smad_jax.data import catalog
from smad_jax.experiment.settings import Settings
from smad_jax.methods import base
from smad_jax.training import joint, log, sharding, stepping, train_state

# Bytes that a step holds for each byte of its clips in float32: 60 was measured for
# SlowOnly-R18 at 8 x 224 x 224. Others hold up to a few times as much.
_HELD_PER_BYTE = 60
_CERTAIN = 5  # a rough estimate that is off by no more than this settles the question
_USABLE = 0.9  # of the free memory; the rest is for decoding and the allocator
_GIB = 1 << 30


def check(
    settings: Settings,
    train: catalog.Split,
    state: train_state.TrainState,
    step: stepping.Step,
    mesh: jax.sharding.Mesh,
) -> None:
    """Makes sure that a training step fits the memory of the devices.

    Args:
        settings: Of the run.
        train: The training split.
        state: The state before the step.
        step: From `stepping.make_train_step`.
        mesh: The devices.

    Raises:
        ConfigError: with the batch size that fits, if the step does not.
    """
    free = available()
    clips = outline(settings, train.aspects, mesh)
    rough = 4 * _HELD_PER_BYTE * sum(stream["video"].size for stream in clips.values())
    # On the host all devices share the memory; elsewhere each has its own.
    on_host = jax.devices()[0].platform == "cpu"
    devices = 1 if on_host else mesh.size
    if free is None or _CERTAIN * rough < free * devices:
        return
    log.logger.info("compiling the training step to see whether it fits the memory")
    key = jax.random.key(settings.seed)
    stats = step.lower(state, clips, key, 1).compile().memory_analysis()
    if stats is None:  # not every backend counts
        return
    copies = mesh.size if on_host else 1
    fixed = copies * stats.argument_size_in_bytes  # the network above all
    needed = fixed + copies * stats.temp_size_in_bytes
    if needed > _USABLE * free:
        share = (_USABLE * free - fixed) / (needed - fixed)
        raise errors.ConfigError(_advice(settings.data.batch_size, share, needed, free))


def available() -> int | None:
    """Returns the free bytes of a device, and for a CPU the host's; None if unknown."""
    device = jax.local_devices()[0]
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        limit = stats.get("bytes_limit")
        return None if limit is None else limit - stats.get("bytes_in_use", 0)
    return available_on_host()


def available_on_host(root: pathlib.Path = pathlib.Path("/")) -> int | None:
    """Returns the bytes that Linux and the control group leave; None if unknown."""
    kibibytes = _number(root / "proc/meminfo", "MemAvailable: *")
    if kibibytes is None:
        return None
    free = kibibytes << 10
    group = root / "sys/fs/cgroup"
    limit, used = _number(group / "memory.max"), _number(group / "memory.current")
    if limit is not None and used is not None:  # else the limit is `max`
        # The used memory counts cached files, which give way to a program's memory.
        cached = _number(group / "memory.stat", "inactive_file ") or 0
        free = min(free, limit - used + cached)
    return free


def _number(path: pathlib.Path, name: str = "") -> int | None:
    """The number that follows a name in one of the kernel's files, if it has both."""
    text = path.read_text() if path.is_file() else ""
    found = re.search(rf"^{name}(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else None


def outline(
    settings: Settings,
    aspects: Mapping[str, aspect_table.Aspect],
    mesh: jax.sharding.Mesh,
) -> dict[str, dict[str, Any]]:
    """Returns the shapes of a step's batches on the devices."""
    data = settings.data
    rows = sharding.rows(mesh)

    def struct(shape: tuple[int, ...], dtype: type) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=rows)

    frames = data.sampling.train_length()
    side = data.transform.size

    def video(count: int) -> jax.ShapeDtypeStruct:
        return struct((count, frames, side, side, 3), np.uint8)

    def labelled(count: int) -> dict[str, Any]:
        return {"video": video(count), "label": struct((count,), np.int32)}

    size = data.batch_size
    whole = labelled(size) | {
        "aspects": {
            name: struct((size, aspect.num_labels), np.float32)
            for name, aspect in aspects.items()
        },
        "aspect_mask": {name: struct((size,), np.bool_) for name in aspects},
    }
    streams = {joint.TRAIN: whole}
    if data.target:
        streams[base.UNLABELLED] = {"video": video(data.unlabelled_size)}
    if data.masked and data.masked.turns == "joint":
        streams[base.MASKED] = labelled(data.masked_size)
    return streams


def _advice(batch_size: int, share: float, needed: int, free: int) -> str:
    """The message for a step that does not fit, with the batch size that does."""
    fits = max(0, int(batch_size * share))
    smaller = f"--config.data.batch_size={1 << max(0, fits.bit_length() - 1)} fits"
    return (
        f"a training step needs about {needed / _GIB:.1f} GiB of memory, but "
        f"{free / _GIB:.1f} GiB are free; "
        f"{smaller if fits else 'even one video at a time does not fit'}, or use the "
        "small recipe for own videos: --config configs/NAME.py:DATASET,size=tiny"
    )
