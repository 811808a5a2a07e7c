import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import time

import grain
import numpy as np
import pytest

from smad_jax import errors
from smad_jax.data import read_ahead

READER = """
import multiprocessing, time
from tests.data import test_read_ahead

if __name__ == "__main__":
    batches = test_read_ahead.two_workers()
    next(batches), next(batches)  # one of each worker
    print(*[worker.pid for worker in multiprocessing.active_children()], flush=True)
    time.sleep(60)
"""


def element(row):
    return {"x": np.full(9, row)}


def two_workers():
    rows = grain.MapDataset.range(100_000).map(element)
    source = read_ahead.iterate(rows, size=4, num_threads=1, num_workers=2)
    return read_ahead.Batches(source, source)


def test_workers_end_with_a_process_that_is_killed(tmp_path):
    script = tmp_path / "reader.py"  # a file: workers import it again
    script.write_text(READER)
    root = pathlib.Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    )
    workers = process.stdout.readline().split()
    process.kill()
    process.communicate()
    assert len(workers) == 2
    deadline = time.monotonic() + 20
    while any(pathlib.Path("/proc", worker).exists() for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_worker_that_is_killed_is_named():
    with two_workers() as batches:
        next(batches)
        worker = multiprocessing.active_children()[0]
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(errors.DataError, match=r"worker .* exit code -9"):
            for _ in batches:
                pass
