import argparse
import dataclasses
import pathlib
from typing import Annotated, Literal

import pytest

from data_prep.lists import command_options
from smad_jax import errors
from smad_jax.base import sections


@dataclasses.dataclass(frozen=True)
class Options:
    """Some choices.

    Attributes:
        list_file: List of the videos.
        seed: Random seed of the choice,
            of any size.
        against: Lists to compare with.
        mode: Way to split.
        images: Read images.
    """

    list_file: pathlib.Path
    seed: Annotated[int, sections.Range(least=0)] = 3
    against: tuple[str, ...] = ()
    mode: Literal["one", "both"] = "one"
    images: bool = False


def parse(*arguments):
    parser = argparse.ArgumentParser()
    command_options.add_options(parser, Options)
    chosen = vars(parser.parse_args(arguments))
    return command_options.pick(Options, {**chosen, "other": 1})


def test_fields_of_a_dataclass_become_options():
    assert parse("--list", "a.txt") == Options(pathlib.Path("a.txt"))
    flags = ("--seed", "5", "--against", "x", "y", "--mode", "both", "--images")
    found = parse("--list", "a.txt", *flags)
    assert found == Options(pathlib.Path("a.txt"), 5, ("x", "y"), "both", True)


@pytest.mark.parametrize("flags", [(), ("--list", "a", "--mode", "none")])
def test_required_fields_and_choices_are_checked(flags):
    with pytest.raises(SystemExit) as stopped:
        parse(*flags)
    assert stopped.value.code == 2


def test_ranges_are_checked():
    with pytest.raises(errors.ConfigError, match="seed"):
        parse("--list", "a.txt", "--seed", "-1")


def test_attributes_of_the_docstring_are_the_help(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    text = " ".join(capsys.readouterr().out.split())
    assert "--seed SEED random seed of the choice, of any size" in text


@pytest.mark.parametrize("place", ["train", "/train", "kinetics400/"])
def test_a_place_names_data_set_and_split(tmp_path, place):
    with pytest.raises(errors.ConfigError, match="--pool"):
        command_options.open_place(tmp_path, place, "--pool")
