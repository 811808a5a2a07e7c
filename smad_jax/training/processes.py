"""A run as one of several processes, as on a TPU pod."""

import os

import jax

from smad_jax import errors
from smad_jax.training import log


def join() -> None:
    """Connects this process to the others; only the first keeps its log.

    JAX finds the processes of a pod by itself; elsewhere the environment names them.

    Raises:
        ConfigError: if they cannot be found.
    """
    names = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
    address, *counts = (os.environ.get(name) for name in names)
    try:
        num_processes, process_id = (
            None if count is None else int(count) for count in counts
        )
        jax.distributed.initialize(address, num_processes, process_id)
    except ValueError as error:
        raise errors.ConfigError(
            f"--distributed cannot find the other processes ({error}); set "
            f"{', '.join(names)}"
        ) from error
    if jax.process_index() > 0:
        log.quieten()
