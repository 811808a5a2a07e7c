"""Web data for the embedded benchmark: 3,600 images and clips with noisy labels.

The analogue of GoogleImg and InsVideo (Sec. 5.2): an action has even fewer scenes than
in the benchmark's videos, but every scene occurs, the four rare ones too; two fifths
are images; every fifth label is random, like a wrong search result. `teacher_filter`
and `omnidebias` turn it into training data. Its folder is separate, so the benchmark
does not depend on it.
"""

import dataclasses
import json
import os
import pathlib

import numpy as np

from data_prep.bias import z_frequency
from data_prep.embedded import dataset_folder, render
from smad_jax.data import catalog
from smad_jax.data.embedded import benchmark


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Numbers of media.

    Attributes:
        clips: Videos as long as those of the benchmark.
        images: Single frames.
        stills: Pictures to train each labeller on, as many as for the benchmark.
    """

    clips: int = 2160
    images: int = 1440
    stills: int = 5000

    def scaled(self, share: float) -> "Sizes":
        """Returns sizes of about `share` times as many media."""
        return Sizes(*(max(1, round(share * n)) for n in dataclasses.astuple(self)))


def _fill(
    folder: pathlib.Path,
    seed: int,
    sizes: Sizes,
    bias: benchmark.WebBias,
    progress: dataset_folder.Log,
) -> None:
    """Writes everything but `dataset.json` into an empty folder."""
    media = {
        name: benchmark.draw_web_media(
            count, seed=seed, stream=render.STREAMS[name], bias=bias
        )
        for name, count in (("clip", sizes.clips), ("image", sizes.images))
    }
    stored = render.store(
        folder,
        {name: each.factors for name, each in media.items()},
        {name: each.label for name, each in media.items()},
        sizes.stills,
        seed,
        progress,
    )
    labels = np.concatenate([each.label for each in media.values()])
    actions = np.concatenate([each.factors.action for each in media.values()])
    catalog.write_split(folder, "raw", stored.ids, labels)
    scene = stored.pseudo_labels["scene"].argmax(1)
    report = {
        "labeller_accuracy": stored.labeller_accuracy,
        "labels_right": float((labels == actions).mean()),
        "nmi_label_scene": z_frequency.normalized_mutual_information(labels, scene),
    }
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    progress(
        f"labels right: action {report['labels_right']:.1%}, "
        f"scene {stored.labeller_accuracy['scene']:.1%}, "
        f"object {stored.labeller_accuracy['object']:.1%}"
    )
    progress(f"NMI of label and scene: {report['nmi_label_scene']:.3f}")


def prepare(
    data_root: str | os.PathLike[str],
    seed: int,
    *,
    log: dataset_folder.Log = print,
    scale: float = 1.0,
    sizes: Sizes | None = None,
    bias: benchmark.WebBias | None = None,
) -> pathlib.Path:
    """Makes the web data of one benchmark, unless they exist; returns the folder.

    It holds the split `raw`, the aspects `scene` and `object` by the benchmark's own
    labellers, the truth in `factors.npz` as `make.prepare` writes it, and the shares of
    correct labels in `report.json`. Arguments and errors are those of `make.prepare`.
    """
    sizes, bias = sizes or Sizes().scaled(scale), bias or benchmark.WebBias()
    folder = pathlib.Path(data_root) / benchmark.folder_name(
        seed, scale, name=benchmark.WEB_NAME
    )
    dataset_folder.make_once(
        folder,
        num_videos=sizes.clips + sizes.images,
        recipe={
            "maker": "data_prep.embedded_web",
            "version": render.VERSION,
            "seed": seed,
            "sizes": dataclasses.asdict(sizes),
            "bias": dataclasses.asdict(bias),
        },
        fill=lambda made, progress: _fill(made, seed, sizes, bias, progress),
        log=log,
    )
    return folder
