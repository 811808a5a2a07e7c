import pytest

from smad_jax import errors
from smad_jax.torch_weights import names, networks

FEW = {
    ("mmaction2", "resnet50"): {
        "backbone/conv1/kernel": "backbone.conv1.conv.weight",
        "backbone/bn1/scale": "backbone.conv1.bn.weight",
        "backbone/bn1/bias": "backbone.conv1.bn.bias",
        "backbone/layer3/5/conv2/kernel": "backbone.layer3.5.conv2.conv.weight",
        "backbone/layer3/5/bn3/mean": "backbone.layer3.5.conv3.bn.running_mean",
        "backbone/layer1/0/downsample/conv/kernel": (
            "backbone.layer1.0.downsample.conv.weight"
        ),
        "backbone/layer1/0/downsample/bn/var": (
            "backbone.layer1.0.downsample.bn.running_var"
        ),
        "head/kernel": "cls_head.fc_cls.weight",
        "head/bias": "cls_head.fc_cls.bias",
    },
    ("torchvision", "resnet18"): {
        "backbone/conv1/kernel": "conv1.weight",
        "backbone/bn1/var": "bn1.running_var",
        "backbone/layer2/1/conv2/kernel": "layer2.1.conv2.weight",
        "backbone/layer2/1/bn2/scale": "layer2.1.bn2.weight",
        "backbone/layer2/0/downsample/conv/kernel": "layer2.0.downsample.0.weight",
        "backbone/layer2/0/downsample/bn/bias": "layer2.0.downsample.1.bias",
        "head/kernel": "fc.weight",
    },
    ("hara", "resnet3d_18"): {
        "backbone/conv1/kernel": "conv1.weight",
        "backbone/layer4/0/downsample/bn/mean": "layer4.0.downsample.1.running_mean",
        "head/bias": "fc.bias",
    },
    ("densenet", "densenet161"): {
        "backbone/conv0/kernel": "features.conv0.weight",
        "backbone/norm0/scale": "features.norm0.weight",
        "backbone/denseblock3/denselayer36/conv2/kernel": (
            "features.denseblock3.denselayer36.conv2.weight"
        ),
        "backbone/transition1/norm/mean": "features.transition1.norm.running_mean",
        "backbone/norm5/var": "features.norm5.running_var",
        "head/kernel": "classifier.weight",
    },
    ("old densenet", "densenet161"): {
        "backbone/conv0/kernel": "features.conv0.weight",
        "backbone/denseblock4/denselayer24/norm2/bias": (
            "features.denseblock4.denselayer24.norm.2.bias"
        ),
        "backbone/transition3/conv/kernel": "features.transition3.conv.weight",
        "head/bias": "classifier.bias",
    },
    ("efficientnet", "efficientnet_lite0"): {
        "backbone/conv_stem/kernel": "_conv_stem.weight",
        "backbone/blocks/15/project_conv/kernel": "_blocks.15._project_conv.weight",
        "backbone/blocks/1/bn0/mean": "_blocks.1._bn0.running_mean",
        "backbone/bn1/scale": "_bn1.weight",
        "head/kernel": "_fc.weight",
    },
}


@pytest.fixture(scope="module", params=FEW, ids=lambda key: "-".join(key))
def case(request):
    table, model = request.param
    shapes = networks.shapes(networks.Network(model, 7))
    return names.translate(shapes, table), shapes, FEW[request.param]


def test_arrays_have_the_names_of_the_reference(case):
    found, _, few = case
    assert {path: found[path] for path in few} == few


def test_every_array_has_a_name_of_its_own(case):
    found, shapes, _ = case
    assert found.keys() == shapes.keys()
    assert len(set(found.values())) == len(found)


def test_every_batch_norm_has_a_counter():
    shapes = networks.shapes(networks.Network("resnet18", 7))
    found = names.counters(names.translate(shapes, "torchvision"))
    assert len(found) == 20
    assert "layer4.0.downsample.1.num_batches_tracked" in found


def test_saar_has_no_name_in_a_foreign_layout():
    paths = ["saar/score/kernel", "saar/layer/0/conv1/kernel", "head/bias"]
    assert names.translate(paths, "mmaction2") == {"head/bias": "cls_head.fc_cls.bias"}


def test_unknown_models_and_layouts_are_named():
    with pytest.raises(errors.ConfigError, match=r"slowonly_tiny.*resnet18"):
        names.tables("slowonly_tiny")
    with pytest.raises(errors.ConfigError, match=r"hara.*it has: mmaction2"):
        names.tables("resnet18", "hara")
