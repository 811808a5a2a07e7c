import collections

import numpy as np
import pytest

from smad_jax import errors
from smad_jax.torch_weights import convert, files, wrappers

WANTED = ("conv1.weight", "bn1.weight", "layer1.0.conv1.weight", "fc.weight", "fc.bias")


def tensors(names):
    return {name: np.full((2, 3), n, np.float32) for n, name in enumerate(names)}


def renamed(rename):
    plain = tensors(WANTED)
    return {rename(name): tensor for name, tensor in plain.items()}


@pytest.mark.parametrize(
    ("rename", "named"),
    [
        (lambda name: name, None),
        (lambda name: f"model.{name}", "model."),
        (lambda name: f"module.encoder_q.{name}", "module.encoder_q."),
        (lambda name: f"_fsdp_wrapped_module.{name}", "_fsdp_wrapped_module"),
        (lambda name: name.replace("layer1.", "layer1._orig_mod."), "_orig_mod"),
        (
            lambda name: (
                "head." + name if name.startswith("fc") else f"backbone.{name}"
            ),
            "head.fc",
        ),
    ],
)
def test_names_of_wrappers_are_taken_off_and_noted(rename, named):
    found = wrappers.unwrap(renamed(rename), WANTED, "fc")
    assert found.tensors.keys() == set(WANTED)
    for name, tensor in tensors(WANTED).items():
        np.testing.assert_array_equal(found.tensors[name], tensor)
    assert (named is None) == (not found.notes)
    assert named is None or any(named in note for note in found.notes)


def test_what_stands_beside_the_network_is_left_out_with_a_note():
    whole = renamed(lambda name: f"encoder.{name}") | tensors(["queue", "n_averaged"])
    found = wrappers.unwrap(whole, WANTED, "fc")
    assert found.tensors.keys() == set(WANTED)
    assert "2 of queue" in found.notes[-1]


def test_two_networks_that_fit_equally_are_refused_by_name():
    whole = renamed(lambda name: f"encoder_q.{name}")
    whole |= renamed(lambda name: f"encoder_k.{name}")
    with pytest.raises(errors.DataError, match=r"'encoder_k.', 'encoder_q.'"):
        wrappers.unwrap(whole, WANTED, "fc")


def test_prefix_of_a_few_names_is_none():
    other = tensors(["a.conv1.weight", "b.x", "c.y"])
    assert wrappers.unwrap(other, WANTED, "fc").tensors.keys() == other.keys()


@pytest.mark.parametrize(
    ("content", "key", "noted"),
    [
        ({"conv1.weight": 1.0}, "", ""),
        ({"state_dict": {"a": 1.0}, "epoch": 3}, "state_dict", ""),
        ({"net": {"a": 1.0}, "acc": "91"}, "net", "'net'"),
        (
            {"state_dict": {"a": 1.0}, "model_ema": {"a": 2.0}},
            "model_ema",
            "state_dict",
        ),
    ],
)
def test_entry_with_the_weights_is_found(content, key, noted):
    found, note = wrappers.choose_entry(content, float)
    assert found == key
    assert noted in note
    assert bool(noted) == bool(note)


def test_several_unknown_entries_are_refused_by_name():
    content = {"generator": {"a": 1.0}, "judge": {"a": 1.0}}
    with pytest.raises(errors.DataError, match="generator, judge"):
        wrappers.choose_entry(content, float)


class Metric:
    """A class that stands in a checkpoint as the key of a dictionary."""


def test_pytorch_files_of_wrapped_networks_give_the_plain_arrays(tmp_path):
    torch = pytest.importorskip("torch")
    from tests.helpers import torch_checkpoints

    plain = torch_checkpoints.torchvision(torch_checkpoints.network("resnet18", 5))
    wrapped = {f"model.{name}": tensor for name, tensor in plain.items()}
    content = {
        "state_dict": {name: 0 * tensor for name, tensor in wrapped.items()},
        "state_dict_ema": wrapped,
        "milestones": collections.Counter([30, 60]),
        "history": collections.defaultdict(list, {"loss": [1.0]}),
        "metrics": {Metric: 1},
    }
    torch.save(content, tmp_path / "a.pth")
    read = files.read(tmp_path / "a.pth", foreign=[f"{__name__}.*", "*Metric"])
    assert "state_dict_ema" in read.note
    found = convert.to_network(read.tensors, "resnet18")
    expected = convert.to_network(
        {name: tensor.numpy() for name, tensor in plain.items()}, "resnet18"
    )
    assert "'model.'" in found.notes[0]
    assert not expected.notes
    for path, array in expected.arrays.items():
        np.testing.assert_array_equal(found.arrays[path], array)


def test_float8_is_refused_with_its_repair(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"a": torch.zeros(3).to(torch.float8_e4m3fn)}, tmp_path / "a.pth")
    with pytest.raises(errors.DataError, match=r"float8.*\.float\(\)"):
        files.read(tmp_path / "a.pth")
