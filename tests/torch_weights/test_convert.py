import re

import numpy as np
import pytest
from flax import nnx

from smad_jax import errors
from smad_jax.torch_weights import convert, names, networks

B, T, H, W, K = 2, 5, 37, 45, 7
PAIRS = [
    ("resnet18", "torchvision"),
    ("resnet50", "mmaction2"),
    ("slowonly_r18", "mmaction2"),
    ("slowonly_r50", "mmaction2"),
    ("resnet3d_18", "hara"),
]


@pytest.fixture(scope="module")
def checkpoints():
    pytest.importorskip("torch")
    from tests.helpers import torch_checkpoints

    return torch_checkpoints


def tensors_of(checkpoints, model, layout, **settings):
    module = checkpoints.network(model, K, **settings)
    named = checkpoints.LAYOUTS[layout](module)
    return module, {name: tensor.numpy() for name, tensor in named.items()}


def model_of(imported):
    model = networks.assemble(imported.network, imported.arrays)
    return nnx.jit(model, static_argnames="train")


def logits_of(imported, video):
    return np.asarray(model_of(imported)(video, train=False).logits)


def video_of(model):
    time = T if model.startswith(("slowonly", "resnet3d")) else 3
    return np.random.default_rng(1).standard_normal((B, time, H, W, 3), np.float32)


def torch_logits(module, video):
    import torch

    with torch.no_grad():
        return module(torch.from_numpy(video.transpose(0, 4, 1, 2, 3).copy())).numpy()


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * abs(expected).max())


@pytest.mark.parametrize(("model", "layout"), PAIRS)
def test_imported_weights_give_the_logits_of_pytorch(checkpoints, model, layout):
    module, tensors = tensors_of(checkpoints, model, layout)
    imported = convert.to_network(tensors, model)
    assert imported.network == networks.Network(model, K)
    assert imported.left_out == ()
    video = video_of(model)
    assert_close(logits_of(imported, video), torch_logits(module, video))


@pytest.mark.parametrize("model", ["resnet18", "resnet50"])
def test_both_layouts_of_an_image_model_give_the_same_arrays(checkpoints, model):
    found = [
        convert.to_network(tensors_of(checkpoints, model, layout)[1], model).arrays
        for layout in ("mmaction2", "torchvision")
    ]
    assert found[0].keys() == found[1].keys()
    for path, array in found[0].items():
        np.testing.assert_array_equal(found[1][path], array, path)


def test_a_resnet3d_without_projections_is_one_with_shortcut_a(checkpoints):
    module, tensors = tensors_of(checkpoints, "resnet3d_18", "hara", shortcut="A")
    imported = convert.to_network(tensors, "resnet3d_18")
    assert imported.network.shortcut == "A"
    video = video_of("resnet3d_18")
    assert_close(logits_of(imported, video), torch_logits(module, video))


@pytest.mark.parametrize(
    ("model", "layout", "shortcut"),
    [
        *((*pair, "B") for pair in PAIRS),
        ("resnet18", "mmaction2", "B"),
        ("resnet50", "torchvision", "B"),
        ("resnet3d_18", "hara", "A"),
    ],
)
def test_export_gives_back_what_was_imported(checkpoints, model, layout, shortcut):
    _, tensors = tensors_of(checkpoints, model, layout, shortcut=shortcut)
    imported = convert.to_network(tensors, model)
    exported = convert.to_tensors(imported.arrays, imported.network, layout)
    assert exported.keys() == tensors.keys()
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(exported[name], tensor, name)
        assert exported[name].dtype == tensor.dtype


@pytest.mark.parametrize("layout", ["torchvision", "old densenet"])
def test_densenets_of_both_generations_come_in_and_go_out(layout):
    table = {"torchvision": "densenet"}.get(layout, layout)
    network = networks.Network("densenet161", 3)
    shapes = networks.shapes(network)
    rng = np.random.default_rng(0)
    arrays = {
        path: rng.standard_normal(shape, np.float32) for path, shape in shapes.items()
    }
    tensors = convert.to_tensors(arrays, network, "torchvision")
    if table == "old densenet":
        for number in "12":
            for kind in ("norm", "conv"):
                tensors = {
                    name.replace(f"{kind}{number}.", f"{kind}.{number}.")
                    if "denselayer" in name
                    else name: tensor
                    for name, tensor in tensors.items()
                }
    assert tensors["classifier.weight"].shape == (3, 2208)
    imported = convert.to_network(tensors, "densenet161")
    assert imported.table == table
    assert imported.network == network
    for path, array in arrays.items():
        np.testing.assert_array_equal(imported.arrays[path], array, path)


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        ("torchvision", "layer3.1.conv1.weight"),
        ("mmaction2", "backbone.layer3.1.conv1.conv.weight"),
    ],
)
def test_inflation_repeats_over_time_and_divides(checkpoints, layout, name):
    _, tensors = tensors_of(checkpoints, "resnet50", layout)
    imported = convert.to_network(tensors, "slowonly_r50")
    inflated = [row for row in imported.rows if row.note]
    assert len(inflated) == 9  # the first convolution of each block of layer3 and 4
    assert {row.note for row in inflated} == {"inflated to 3 frames"}
    array = imported.arrays["backbone/layer3/1/conv1/kernel"]
    assert len(array) == 3
    for frame in array:
        np.testing.assert_array_equal(
            frame[0, 0], tensors[name][:, :, 0, 0].T / np.float32(3)
        )


def test_an_inflated_network_sees_a_still_as_its_image(checkpoints):
    module, tensors = tensors_of(checkpoints, "resnet50", "torchvision")
    imported = convert.to_network(tensors, "slowonly_r50")
    image = video_of("resnet50")[:, :1]
    # The zeros before the first and behind the last frame reach nine frames far.
    output = model_of(imported)(np.repeat(image, 19, axis=1), train=False)
    middle = output.feature_map[:, 9].mean(axis=(1, 2))
    head = imported.arrays["head/kernel"], imported.arrays["head/bias"]
    assert_close(middle @ head[0] + head[1], torch_logits(module, image))


def test_other_networks_of_clips_are_not_inflated(checkpoints):
    _, tensors = tensors_of(checkpoints, "resnet18", "torchvision")
    with pytest.raises(
        errors.DataError, match=r"layer1\.0\.conv1\.weight is 64x64x3x3"
    ):
        convert.to_network(tensors, "resnet3d_18")
    _, tensors = tensors_of(checkpoints, "slowonly_r18", "mmaction2")
    with pytest.raises(errors.DataError, match=r"is 256x128x3x3x3, but"):
        convert.to_network(tensors, "resnet18")


@pytest.fixture(scope="module")
def plain():
    """A ResNet-18 as torchvision names it, made without PyTorch."""
    network = networks.Network("resnet18", K)
    rng = np.random.default_rng(0)
    arrays = {
        path: rng.standard_normal(shape, np.float32)
        for path, shape in networks.shapes(network).items()
    }
    return convert.to_tensors(arrays, network, "torchvision")


def test_everything_that_does_not_fit_is_listed_at_once(plain):
    tensors = dict(plain)
    del tensors["layer1.0.bn1.bias"], tensors["layer2.1.conv2.weight"]
    tensors["fc.bias"] = np.zeros(K + 1, np.float32)
    tensors["bn1.weight"] = np.zeros(64, np.int64)
    tensors["extra.weight"] = np.zeros(3, np.float32)
    with pytest.raises(errors.DataError) as caught:
        convert.to_network(tensors, "resnet18")
    lines = str(caught.value).splitlines()
    assert lines[0] == "the file does not fit resnet18 as torchvision:"
    assert sorted(lines[1:-1]) == [
        "  bn1.weight is 64, but backbone/bn1/scale is 64 (backbone/bn1/scale)",
        "  extra.weight unknown to the model",
        "  fc.bias is 8, but head/bias is 7 (head/bias)",
        "  layer1.0.bn1.bias missing in the file (backbone/layer1/0/bn1/bias)",
        "  layer2.1.conv2.weight missing in the file (backbone/layer2/1/conv2/kernel)",
    ]
    assert "--allow" in lines[-1]


def test_file_of_another_network_is_refused_in_a_few_lines(plain):
    with pytest.raises(errors.DataError) as caught:
        convert.to_network(plain, "resnet50")
    lines = str(caught.value).splitlines()
    assert len(lines) == 13
    assert re.fullmatch(r"  and \d{3} more", lines[11])
    assert "--allow" in lines[12]


def test_prefixes_that_one_layout_cannot_tell_apart_do_not_refuse_another(plain):
    tensors = {f"model.{name}": tensor for name, tensor in plain.items()}
    # as many names of mmaction2's layout under two prefixes
    theirs = convert.to_network(plain, "resnet18").arrays
    network = networks.Network("resnet18", K)
    other = convert.to_tensors(theirs, network, "mmaction2")
    half = [name for name in other if "layer4" not in name]
    tensors |= {f"{side}.{name}": other[name] for side in "ab" for name in half}
    found = convert.to_network(tensors, "resnet18")
    assert found.table == "torchvision"
    assert found.arrays.keys() == theirs.keys()


def test_allowed_names_of_either_side_may_be_left_over(plain):
    tensors = dict(plain)
    del tensors["fc.weight"], tensors["fc.bias"]
    tensors["place_mlp.0.fc.weight"] = np.zeros((5, 3), np.float32)
    for allow in (["fc.*", "place_mlp.*"], ["head/*", "place_mlp.*"]):
        imported = convert.to_network(tensors, "resnet18", allow=allow)
        assert imported.left_out == ("place_mlp.0.fc.weight",)
        assert imported.network.num_classes is None
        assert "head/kernel" not in imported.arrays
        assert "backbone/conv1/kernel" in imported.arrays
    with pytest.raises(errors.DataError, match="place_mlp"):
        convert.to_network(tensors, "resnet18", allow=["fc.*"])


def test_half_precision_becomes_float32_and_counters_are_dropped(plain):
    halves = {
        name: tensor.astype(np.float16) if tensor.ndim else tensor
        for name, tensor in plain.items()
    }
    imported = convert.to_network(halves, "resnet18")
    assert {array.dtype for array in imported.arrays.values()} == {np.dtype("f4")}
    np.testing.assert_array_equal(imported.arrays["head/bias"], halves["fc.bias"])
    assert not any("num_batches" in row.theirs for row in imported.rows)


def test_the_map_says_what_goes_where(plain):
    imported = convert.to_network(plain, "resnet18")
    rows = [str(row) for row in imported.rows]
    assert "conv1.weight 64x3x7x7 -> backbone/conv1/kernel 1x7x7x3x64" in rows
    assert f"fc.weight {K}x512 -> head/kernel 512x{K}" in rows


def test_export_lists_what_has_no_name_or_is_missing(plain):
    network = networks.Network("resnet18", K)
    arrays = convert.to_network(plain, "resnet18").arrays
    arrays["saar/score/bias"] = np.zeros(1, np.float32)
    del arrays["head/bias"]
    with pytest.raises(errors.DataError) as caught:
        convert.to_tensors(arrays, network, "mmaction2")
    assert "saar/score/bias has no name in mmaction2" in str(caught.value)
    assert "cls_head.fc_cls.bias is missing (head/bias)" in str(caught.value)
    allow = ["saar/*", "head/bias"]
    tensors = convert.to_tensors(arrays, network, "mmaction2", allow=allow)
    assert "cls_head.fc_cls.weight" in tensors
    assert "cls_head.fc_cls.bias" not in tensors


def test_clips_have_no_layout_of_networks_of_images():
    network = networks.Network("slowonly_r50", K)
    with pytest.raises(errors.ConfigError, match="export slowonly_r50 as mmaction2"):
        convert.to_tensors({}, network, "torchvision")


def test_every_network_has_a_layout_to_export():
    for model, layouts in names.LAYOUTS.items():
        assert layouts, model
