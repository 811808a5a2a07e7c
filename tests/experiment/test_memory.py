import dataclasses

import jax
import pytest

from configs import base, slowonly_smad
from smad_jax import errors
from smad_jax.experiment import memory, run
from smad_jax.experiment.settings import Settings


@pytest.fixture
def opened(small_data, tmp_path):
    config = base.smoke(slowonly_smad.get_config())
    config.data.root = str(small_data)
    settings = Settings.read(config)
    return run.open_run(settings, tmp_path)


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


def test_free_memory_is_less_than_all_of_it():
    free = memory.available()
    assert free is None or 0 < free < 1 << 50
