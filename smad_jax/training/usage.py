"""The most memory that this process and its devices have held, for the log."""

import resource
import sys

import jax

_GIB = 1 << 30
_PEAK = "peak_bytes_in_use"  # missing on CPUs
# `ru_maxrss` counts KiB on Linux and bytes on macOS.
_UNIT = 1 if sys.platform == "darwin" else 1 << 10


def peak_memory() -> dict[str, float]:
    """Returns GiB by metric: `memory/host`, and `memory/device` where it is counted.

    The host's is that of this process, without data workers. The device's is the
    largest of this process's devices.
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
    held = {"memory/host": peak / _GIB}
    counts = [device.memory_stats() or {} for device in jax.local_devices()]
    peaks = [count[_PEAK] for count in counts if _PEAK in count]
    return held | ({"memory/device": max(peaks) / _GIB} if peaks else {})
