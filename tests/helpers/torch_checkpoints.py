"""State dicts of the reference's networks, named as each code base names them.

The renaming here is by plain replacement, independent of `torch_weights.names`.
"""

import re

import torch

from tests.helpers import torch_models


def network(name, num_classes, *, seed=0, shortcut="B"):
    """A network in PyTorch whose parameters and statistics are all random."""
    torch.manual_seed(seed)
    build = torch_models.BACKBONES[name]
    backbone = build(shortcut=shortcut) if name == "resnet3d_18" else build()
    module = torch_models.Recognizer(backbone, num_classes).eval()
    with torch.no_grad():
        for key, tensor in module.state_dict().items():
            if key.endswith("running_var"):
                tensor.uniform_(0.5, 2.0)
            elif tensor.dim() == 1:
                tensor.normal_(0.0, 0.3)
                if re.search(r"bn\d?\.weight", key):
                    tensor.add_(1.0)
    return module


def torchvision(module):
    """The names of torchvision, and of Hara's and SDN's networks of clips."""
    renamed = {}
    for name, tensor in module.state_dict().items():
        name = name.replace("backbone.", "").replace("head.", "fc.")
        name = name.replace("downsample.conv", "downsample.0")
        renamed[name.replace("downsample.bn", "downsample.1")] = tensor
    return renamed


def mmaction2(module):
    """The names of mmaction2: every convolution and its norm are one module."""
    renamed = {}
    for name, tensor in module.state_dict().items():
        name = re.sub(r"\.conv(\d)\.", r".conv\1.conv.", name)
        name = re.sub(r"\.bn(\d)\.", r".conv\1.bn.", name)
        renamed[name.replace("head.", "cls_head.fc_cls.")] = tensor
    return renamed


LAYOUTS = {"mmaction2": mmaction2, "torchvision": torchvision, "hara": torchvision}
