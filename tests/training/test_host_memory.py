import json
import os
import subprocess
import sys

import pytest

# Ten arrays of 64 MiB one after the other, and how often the system had to give memory.
ARRAYS = """
import json, resource
import numpy as np
from smad_jax.training import host_memory

large = {call}
np.ones(1 << 24, np.float32)
faults = -resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(1 << 24, np.float32)
faults += resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print(json.dumps([large, faults]))
"""


def _run(call, **chosen):
    free = {
        k: v for k, v in os.environ.items() if not k.startswith(("MALLOC", "GLIBC"))
    }
    done = subprocess.run(
        [sys.executable, "-c", ARRAYS.format(call=call)],
        env=free | chosen,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_memory_is_kept_so_that_later_arrays_need_no_new_pages():
    large, faults = _run("host_memory.use_large_pages()")
    if not large:
        pytest.skip("no glibc, or no large pages, on this machine")
    _, usual = _run("None")
    assert faults < 100 < usual  # with pages of 4 KiB 10 arrays have 163,840


def test_what_the_user_chose_for_memory_stays():
    assert not _run("host_memory.use_large_pages()", MALLOC_ARENA_MAX="4")[0]
