"""The files that let TensorFlow Datasets open a data set of ours."""

import pathlib
import re
from collections.abc import Sequence

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import dataset_info, file_adapters, naming, splits

from smad_jax.data import catalog, records

SPLIT = "videos"  # TFDS's name for all videos; it begins the names of the files
_TEMPLATE = "{SPLIT}-{SHARD_X_OF_Y}.{FILEFORMAT}"


def write(folder: pathlib.Path) -> None:
    """Writes `dataset_info.json` and `features.json` beside `dataset.json`.

    Raises:
        DataError: if there is no such data set or its records are damaged.
    """
    facts = catalog.read_dataset_file(folder)
    reader = records.RecordReader(folder, SPLIT)
    template = naming.ShardedFileTemplate(
        data_dir=tfds.core.Path(folder),
        template=_TEMPLATE,
        dataset_name=_plain_name(facts.name),
        split=SPLIT,
        filetype_suffix=reader.file_format,
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
    about.set_file_format(file_adapters.file_format_from_suffix(reader.file_format))
    split = splits.SplitInfo(
        name=SPLIT,
        shard_lengths=[shard.num_records for shard in reader.shard_sizes],
        num_bytes=sum(shard.num_bytes for shard in reader.shard_sizes),
        filename_template=template,
    )
    about.set_splits(splits.SplitDict([split]))
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
    """The name in the letters that TFDS accepts."""
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower()
    return plain if plain[:1].isalpha() else f"videos_{plain}"
