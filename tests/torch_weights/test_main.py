import sys

import numpy as np
import pytest

from smad_jax.torch_weights import __main__ as command
from smad_jax.torch_weights import convert, files, networks, saving, weights
from tests.helpers import efficientnet_file

K = 7


def run(*arguments):
    return command.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A ResNet3D-18 as SDN writes it, made without PyTorch."""
    network = networks.Network("resnet3d_18", K, "A")
    rng = np.random.default_rng(0)
    arrays = {
        path: rng.standard_normal(shape, np.float32)
        for path, shape in networks.shapes(network).items()
    }
    tensors = convert.to_tensors(arrays, network, "hara")
    tensors["place_mlp.p_last_fc.bias"] = np.zeros(5, np.float32)
    named = {f"module.{name}": tensor for name, tensor in tensors.items()}
    path = tmp_path_factory.mktemp("checkpoint") / "sdn.pth"
    saving.write_pth(path, {"epoch": 3, "arch": "resnet-18", "state_dict": named})
    return path


def test_import_and_export_give_the_file_back(checkpoint, tmp_path, capsys):
    weights, out = tmp_path / "weights", tmp_path / "new" / "out.pth"
    allow = ["--allow", "place_mlp.*"]
    model = ["--model", "resnet3d_18"]
    assert run("import", checkpoint, *model, "--out", weights, *allow) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "conv1.weight 64x3x7x7x7 -> backbone/conv1/kernel 7x7x7x3x64" in lines
    assert "place_mlp.p_last_fc.bias left out" in lines
    assert lines[-1].startswith("87 tensors of hara names for resnet3d_18 with short")
    assert f"{K} classes" in lines[-1]
    assert run("export", weights, "--layout", "hara", "--out", out) == 0
    before, after = files.read(checkpoint), files.read(out)
    assert after.prefix == "module."
    del before.tensors["place_mlp.p_last_fc.bias"]
    assert before.tensors.keys() == after.tensors.keys()
    for name, tensor in before.tensors.items():
        np.testing.assert_array_equal(after.tensors[name], tensor)


def test_export_to_safetensors_imports_again(checkpoint, tmp_path):
    first, second, out = tmp_path / "a", tmp_path / "b", tmp_path / "c.safetensors"
    settings = ["--model", "resnet3d_18", "--allow", "place_mlp.*", "--out"]
    assert run("import", checkpoint, *settings, first) == 0
    assert run("export", first, "--layout", "hara", "--out", out) == 0
    assert run("import", out, *settings, second) == 0
    one, two = (weights.load_weights(folder) for folder in (first, second))
    np.testing.assert_array_equal(one[0]["head"]["kernel"], two[0]["head"]["kernel"])


@pytest.mark.parametrize(
    ("arguments", "code", "printed"),
    [
        (["--model", "resnet3d_18"], 3, "place_mlp.p_last_fc.bias unknown"),
        (["--model", "resnet18"], 3, "does not fit resnet18"),
        (["--model", "resnet18", "--layout", "hara"], 2, "no layout 'hara'"),
    ],
)
def test_mistakes_end_with_a_message_and_no_folder(
    checkpoint, tmp_path, capsys, arguments, code, printed
):
    assert run("import", checkpoint, *arguments, "--out", tmp_path / "w") == code
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert printed in error
    assert not (tmp_path / "w").exists()


def test_a_missing_file_is_named(tmp_path, capsys):
    missing = tmp_path / "no.pth"
    arguments = ["--model", "resnet18", "--out", tmp_path / "w"]
    assert run("import", missing, *arguments) == 3
    assert f"no checkpoint at {missing}" in capsys.readouterr().err


def test_verify_says_how_to_get_pytorch(checkpoint, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert run("verify", checkpoint, "--model", "resnet3d_18") == 2
    assert "pip install torch" in capsys.readouterr().err


def test_import_works_where_pytorch_is_not_installed(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    settings = ["--model", "resnet3d_18", "--allow", "place_mlp.*"]
    assert run("import", checkpoint, *settings, "--out", tmp_path / "w") == 0


def test_the_packaged_efficientnet_is_verified_and_goes_around(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    path, out = efficientnet_file.path(), tmp_path / "out.pth"
    model = ["--model", "efficientnet_lite0"]
    assert run("verify", path, *model) == 0
    logits = capsys.readouterr().out.splitlines()[-1]
    assert logits.startswith("logits")
    assert float(logits.split()[-3].rstrip(",")) < 2e-5
    assert run("import", path, *model, "--out", tmp_path / "w") == 0
    export = ["--layout", "efficientnet", "--out", out]
    assert run("export", tmp_path / "w", *export) == 0
    before = torch.load(path, weights_only=True)
    after = torch.load(out, weights_only=True)
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(after[name], tensor), name
