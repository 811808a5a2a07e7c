import numpy as np
import pytest

from smad_jax import errors
from smad_jax.torch_weights import convert, verify


@pytest.fixture(scope="module")
def checkpoints():
    pytest.importorskip("torch")
    from tests.helpers import torch_checkpoints

    return torch_checkpoints


def tensors_of(module, rename):
    return {name: tensor.numpy() for name, tensor in rename(module).items()}


def test_every_stage_of_the_same_weights_agrees(checkpoints):
    module = checkpoints.network("resnet18", 7)
    tensors = tensors_of(module, checkpoints.mmaction2)
    found = verify.compare(convert.to_network(tensors, "resnet18"))
    names = ["stem", "layer1", "layer2", "layer3", "layer4", "logits"]
    assert [difference.stage for difference in found] == names
    assert max(difference.relative for difference in found) < 2e-5
    assert found[-1].shape == (2, 7)
    assert "layer4" in str(found[4])


@pytest.mark.parametrize("head", ["model.fc", "head.fc"])
def test_wrapped_weights_are_compared_under_their_plain_names(checkpoints, head):
    module = checkpoints.network("resnet18", 7)
    tensors = {
        f"model.{name}".replace("model.fc", head): tensor
        for name, tensor in tensors_of(module, checkpoints.torchvision).items()
    }
    found = verify.compare(convert.to_network(tensors, "resnet18"))
    assert max(difference.relative for difference in found) < 2e-5


def test_inflated_weights_agree_with_inflation_in_pytorch(checkpoints):
    module = checkpoints.network("resnet18", 7)
    tensors = tensors_of(module, checkpoints.torchvision)
    found = verify.compare(convert.to_network(tensors, "slowonly_r18"))
    assert max(difference.relative for difference in found) < 2e-5


def test_a_changed_array_shows_from_its_stage_on(checkpoints):
    module = checkpoints.network("resnet18", 7)
    tensors = tensors_of(module, checkpoints.torchvision)
    imported = convert.to_network(tensors, "resnet18")
    kernel = imported.arrays["backbone/layer3/0/conv1/kernel"]
    imported.arrays["backbone/layer3/0/conv1/kernel"] = kernel[:, ::-1]
    found = {d.stage: d.relative for d in verify.compare(imported)}
    assert max(found[stage] for stage in ("stem", "layer1", "layer2")) < 2e-5
    assert min(found[stage] for stage in ("layer3", "layer4", "logits")) > 1e-3


def test_parts_of_a_network_are_not_compared(checkpoints):
    module = checkpoints.network("resnet18", 7)
    tensors = tensors_of(module, checkpoints.torchvision)
    imported = convert.to_network(tensors, "resnet18")
    del imported.arrays["head/bias"]
    with pytest.raises(errors.DataError, match=r"resnet18 lack head/bias"):
        verify.compare(imported)


def test_relative_differences_of_zeros_are_finite():
    difference = verify.Difference("stem", (1, 2), 0.0, 0.0)
    assert np.isfinite(difference.relative)
