import ml_collections
import pytest

from smad_jax import errors
from smad_jax.data import sections


def test_values_come_from_a_config_dict_or_a_plain_one():
    for section in (
        {"kind": "a", "n": 3},
        ml_collections.ConfigDict({"kind": "a", "n": 3}),
    ):
        sections.check_keys("part", section, ("kind", "n", "m"))
        assert sections.choice("part", section, "kind", ("a", "b")) == "a"
        assert sections.integer("part", section, "n", least=3) == 3
        assert sections.integer("part", section, "m", least=0, default=5) == 5


@pytest.mark.parametrize("value", [2, 3.5, "3", None])
def test_value_that_is_no_such_number_is_a_config_error(value):
    with pytest.raises(errors.ConfigError, match=r"part\.n must be .* at least 3"):
        sections.integer("part", {"n": value}, "n", least=3)


def test_unknown_key_comes_with_the_known_ones():
    with pytest.raises(
        errors.ConfigError, match="unknown key 'z' in part; known: a, b"
    ):
        sections.check_keys("part", {"a": 1, "z": 2}, ("a", "b"))
