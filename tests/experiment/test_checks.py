import pytest

from configs import (
    base,
    slowonly_adabn,
    slowonly_baseline,
    slowonly_dann,
    slowonly_omnidebias,
    slowonly_sdn,
    slowonly_smad,
)
from smad_jax import errors
from smad_jax.experiment import checks


def test_batch_that_ghost_groups_cannot_share_is_refused():
    config = slowonly_smad.get_config("k200db")  # groups of 16
    config.data.batch_size = 8
    checks.check(config)
    config.data.batch_size = 24
    with pytest.raises(errors.ConfigError, match=r"multiple of model\.ghost_size 16"):
        checks.check(config)


def test_web_batches_are_checked_like_those_of_the_target():
    config = slowonly_omnidebias.get_config("k200db")  # groups of 16
    checks.check(config)
    config.data.web.images.batch_size = 24
    with pytest.raises(
        errors.ConfigError, match=r"^data\.web\.images\.batch_size must be a multiple"
    ):
        checks.check(config)
    config.data.web.images.batch_size = 32
    config.data.web_every = 0
    with pytest.raises(errors.ConfigError, match=r"data\.web_every must be at least 1"):
        checks.check(config)


def test_masked_clips_that_do_not_fit_the_method_are_refused():
    config = slowonly_sdn.get_config("k200db")
    config.data.masked.batch_size = 24
    with pytest.raises(errors.ConfigError, match=r"^data\.masked\.batch_size must be"):
        checks.check(config)
    config.data.masked.batch_size = 0
    config.data.web.clips = base.web_stream()
    config.data.web.clips.split = "mine/train"
    config.data.web.clips.batch_size = 32
    with pytest.raises(errors.ConfigError, match="cannot be used together"):
        checks.check(config)
    config = slowonly_baseline.get_config()
    config.data.masked = base.masked_stream()
    with pytest.raises(errors.ConfigError, match=r"no use for clips .*that has: sdn"):
        checks.check(config)


@pytest.mark.parametrize(
    ("make", "changes", "told"),
    [
        (slowonly_dann, {"target": ""}, "'dann' learns from unlabelled videos"),
        (slowonly_baseline, {"target": "a/b"}, "'baseline' has no use for data.target"),
        (slowonly_dann, {"target": "tail"}, "data.target must be DATASET/SPLIT"),
        (slowonly_dann, {"target_batch_size": -1}, "must be at least 0"),
        (slowonly_dann, {"target_batch_size": 24}, r"batch_size \+ data\.target_batch"),
    ],
)
def test_target_that_does_not_fit_the_method_is_refused(make, changes, told):
    config = make.get_config("k200db")  # ghost groups of 32 where there is a target
    checks.check(config)
    config.data.update(changes)
    with pytest.raises(errors.ConfigError, match=told):
        checks.check(config)


def test_adapting_to_a_test_set_needs_equally_many_views():
    config = slowonly_adabn.get_config("k200db")
    checks.check(config)
    config.data.sampling.test_views = 0
    with pytest.raises(errors.ConfigError, match=r"'adabn' adapts .* equally many"):
        checks.check(config)
    config = slowonly_baseline.get_config("k200db")
    config.data.sampling.test_views = 0
    checks.check(config)


def test_target_and_web_streams_are_refused_together():
    config = slowonly_dann.get_config("k200db")
    config.data.web.clips = base.web_stream()
    config.data.web.clips.split = "mine/train"
    config.data.web.clips.batch_size = 32
    with pytest.raises(errors.ConfigError, match="cannot be used together"):
        checks.check(config)
