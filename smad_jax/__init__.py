"""Action recognition that looks at the action instead of the scene, in JAX.

What the commands do, a notebook can call: `smad_jax.audit(...)`, `smad_jax.train(...)`
and the others below; docs/api.md shows them. Each is imported when it is first used:
`import smad_jax` is fast, and an audit needs no JAX.

README.md lists the files to read first, in order.
"""

import importlib
from typing import TYPE_CHECKING

from smad_jax import errors

if TYPE_CHECKING:
    from data_prep.bias.redistribution import Sizes, redistribute
    from data_prep.records.datasets import build_dataset
    from smad_jax.commands.extracted import extract_features, svm
    from smad_jax.commands.measures import evaluate, probe_features
    from smad_jax.commands.predictions import predict
    from smad_jax.commands.runs import train
    from smad_jax.data.catalog import open_split, write_split
    from smad_jax.data.selection import hard_labels
    from smad_jax.experiment.config_files import load_config
    from smad_jax.experiment.exported import export_network
    from smad_jax.experiment.trained import load_run
    from smad_jax.reporting.audit.audits import audit, write_page
    from smad_jax.torch_weights.transfer import (
        export_weights,
        import_weights,
        verify_weights,
    )

__all__ = [
    "Sizes",
    "audit",
    "build_dataset",
    "errors",
    "evaluate",
    "export_network",
    "export_weights",
    "extract_features",
    "hard_labels",
    "import_weights",
    "load_config",
    "load_run",
    "open_split",
    "predict",
    "probe_features",
    "redistribute",
    "svm",
    "train",
    "verify_weights",
    "write_page",
    "write_split",
]
_PLACES = {
    "data_prep.bias.redistribution": ("Sizes", "redistribute"),
    "smad_jax.reporting.audit.audits": ("audit", "write_page"),
    "data_prep.records.datasets": ("build_dataset",),
    "smad_jax.commands.extracted": ("extract_features", "svm"),
    "smad_jax.commands.measures": ("evaluate", "probe_features"),
    "smad_jax.commands.predictions": ("predict",),
    "smad_jax.commands.runs": ("train",),
    "smad_jax.torch_weights.transfer": (
        "export_weights",
        "import_weights",
        "verify_weights",
    ),
    "smad_jax.data.catalog": ("open_split", "write_split"),
    "smad_jax.data.selection": ("hard_labels",),
    "smad_jax.experiment.config_files": ("load_config",),
    "smad_jax.experiment.exported": ("export_network",),
    "smad_jax.experiment.trained": ("load_run",),
}


def __getattr__(name: str) -> object:
    for module, names in _PLACES.items():
        if name in names:
            with errors.machine_explained():
                return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__  # without what this module imports
