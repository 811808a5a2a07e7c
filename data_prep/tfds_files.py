"""Lets TensorFlow Datasets open a data set as it lies.

    python -m data_prep.tfds_files --data-root R --dataset NAME

writes `dataset_info.json` and `features.json` into the data set's folder; new ones get
them from `build_records`. Then

    tfds.builder_from_directory("R/NAME").as_data_source("videos")

is every stored video by position, `{id, video, label, num_frames}`, and TensorFlow is
not needed where the records are ArrayRecord. For TFRecord it is, in
`as_dataset("videos")`. Splits and labels of aspects stay lists and arrays by id
(`smad_jax.data.catalog`).
"""

import argparse
import pathlib
import re
import sys
from collections.abc import Sequence

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import dataset_info, file_adapters, naming, splits

from smad_jax.commands import command_line
from smad_jax.data import catalog, records

SPLIT = "videos"  # TFDS's name for all of them; it begins the names of the files
_TEMPLATE = "{SPLIT}-{SHARD_X_OF_Y}.{FILEFORMAT}"


def write(folder: pathlib.Path) -> None:
    """Writes the two files of TFDS beside `dataset.json`.

    Args:
        folder: The data set's folder.

    Raises:
        DataError: if there is no such data set or its records are damaged.
    """
    facts = catalog.read_dataset_file(folder)
    reader = records.RecordReader(folder, SPLIT)
    file_format = reader.file_format
    template = naming.ShardedFileTemplate(
        data_dir=tfds.core.Path(folder),
        template=_TEMPLATE,
        dataset_name=_plain_name(facts.name),
        split=SPLIT,
        filetype_suffix=file_format,
    )
    identity = dataset_info.DatasetIdentity(
        name=_plain_name(facts.name),
        version=tfds.core.Version("1.0.0"),
        data_dir=str(folder),
        module_name="",
    )
    about = dataset_info.DatasetInfo(
        builder=identity, features=features(facts.classes), description=facts.name
    )
    about.set_file_format(file_adapters.file_format_from_suffix(file_format))
    shards = reader.shard_sizes
    about.set_splits(
        splits.SplitDict(
            [
                splits.SplitInfo(
                    name=SPLIT,
                    shard_lengths=[shard.num_records for shard in shards],
                    num_bytes=sum(shard.num_bytes for shard in shards),
                    filename_template=template,
                )
            ]
        )
    )
    about.write_to_directory(folder)


def features(classes: Sequence[str]) -> tfds.features.FeaturesDict:
    """Returns the fields of a record as TFDS describes them; the video is encoded."""
    return tfds.features.FeaturesDict(
        {
            "id": tfds.features.Text(),
            "video": tfds.features.Scalar(np.object_),
            "label": tfds.features.ClassLabel(names=list(classes)),
            "num_frames": tfds.features.Scalar(np.int64),
        }
    )


def _plain_name(name: str) -> str:
    """The name in the letters that TFDS takes."""
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower()
    return plain if plain[:1].isalpha() else f"videos_{plain}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.tfds_files",
        description="Lets TensorFlow Datasets open a data set as it lies.",
    )
    add = parser.add_argument
    add("--data-root", type=pathlib.Path, required=True, help="folder of the data sets")
    add("--dataset", required=True, help="name of the data set")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    chosen = _parser().parse_args(arguments)
    folder = chosen.data_root / chosen.dataset

    def act() -> str:
        write(folder)
        return f"tfds.builder_from_directory({str(folder)!r}) opens it, as {SPLIT!r}"

    return command_line.run(act)


if __name__ == "__main__":
    sys.exit(main())
