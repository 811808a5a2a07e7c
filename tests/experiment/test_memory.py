import dataclasses

import jax
import pytest

from configs import base, slowonly_smad
from smad_jax import errors
from smad_jax.experiment import memory, opening
from smad_jax.experiment.settings import Settings


@pytest.fixture
def opened(small_data, tmp_path):
    config = base.smoke(slowonly_smad.get_config())
    config.data.root = str(small_data)
    settings = Settings.read(config)
    return opening.open_run(settings, tmp_path)


def check(opened):
    whole, state = opened
    arguments = whole.settings, whole.splits.train, state, whole.train_step, whole.mesh
    memory.check(*arguments)


MIB = 1 << 20


def test_step_that_fits_is_accepted_without_compiling(opened, monkeypatch):
    monkeypatch.setattr(jax.stages.Lowered, "compile", lambda self: pytest.fail())
    check(opened)


def test_step_that_does_not_fit_is_refused_with_a_batch_size_that_does(
    opened, monkeypatch
):
    monkeypatch.setattr(memory, "available", lambda: 12 * MIB)
    with pytest.raises(errors.ConfigError, match=r"GiB are free; .*batch_size=(4|2|1)"):
        check(opened)
    whole, state = opened
    data = dataclasses.replace(whole.settings.data, batch_size=4)
    settings = dataclasses.replace(whole.settings, data=data)
    monkeypatch.setattr(memory, "available", lambda: 1 << 40)
    check((dataclasses.replace(whole, settings=settings), state))


def kernel(root, meminfo, **group):
    files = {"proc/meminfo": meminfo} | {
        f"sys/fs/cgroup/memory.{name}": text for name, text in group.items()
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return memory.available_on_host(root)


MEMINFO = "MemTotal:       4096 kB\nMemFree:  7 kB\nMemAvailable:   2048 kB\n"


def test_free_memory_of_a_host_without_a_limit(tmp_path):
    assert memory.available_on_host(tmp_path) is None
    assert kernel(tmp_path, "MemTotal:       4096 kB\n") is None
    assert kernel(tmp_path, MEMINFO) == 2 * MIB
    assert kernel(tmp_path, MEMINFO, max="max\n", current=f"{MIB}\n") == 2 * MIB


def test_cached_files_of_a_control_group_count_as_free(tmp_path):
    group = {"max": f"{3 * MIB}\n", "current": f"{2 * MIB}\n"}
    assert kernel(tmp_path, MEMINFO, **group) == MIB
    stat = f"file {MIB}\nactive_file 0\ninactive_file {MIB // 2}\nanon 5\n"
    assert kernel(tmp_path, MEMINFO, stat=stat, **group) == MIB + MIB // 2


def test_free_memory_is_less_than_all_of_it():
    free = memory.available()
    assert free is None or 0 < free < 1 << 50
