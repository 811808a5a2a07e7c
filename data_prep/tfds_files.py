"""Lets TensorFlow Datasets open an existing data set.

    python -m data_prep.tfds_files --data-root R --dataset NAME

writes `dataset_info.json` and `features.json` into the data set's folder;
`build_records` writes them for new ones. Then

    tfds.builder_from_directory("R/NAME").as_data_source("videos")

gives every stored video by position, `{id, video, label, num_frames}`; after `--store
jpeg`, `smad_jax.data.jpeg_frames.unpack` finds the files in `video`. ArrayRecord
files need no TensorFlow; TFRecord files need it, and `as_dataset("videos")`. Splits
and labels of aspects stay lists and arrays by id (`smad_jax.data.catalog`).
"""

import pathlib
import sys

from data_prep.lists import command_options
from data_prep.records import tfds_metadata
from smad_jax.base import command_line

HELP = "add the files that let TensorFlow Datasets open a data set"


def run(*, data_root: pathlib.Path, dataset: str) -> str:
    """Writes the files of TFDS; returns how to open the data set.

    Raises:
        DataError: if there is no such data set or its records are damaged.
    """
    folder = data_root / dataset
    tfds_metadata.write(folder)
    split = tfds_metadata.SPLIT
    return f"tfds.builder_from_directory({str(folder)!r}) opens it, as {split!r}"


main = command_line.Program(
    "python -m data_prep.tfds_files", HELP, command_options.add_dataset, run
)

if __name__ == "__main__":
    sys.exit(main())
