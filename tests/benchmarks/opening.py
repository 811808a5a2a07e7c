"""Seconds to open a data set of many records, its split and its scene labels.

python -m tests.benchmarks.opening

Prints one JSON object; the target for 240,000 records is 2 s. The first opening joins
the labels by id and stores the join in a file; the second maps that file.
"""

import argparse
import json
import pathlib
import sys
import tempfile
import time
from collections.abc import Sequence

import numpy as np

from smad_jax.base import aspect_table
from smad_jax.data import catalog, records


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.opening")
    parser.add_argument("--records", type=int, default=240_000)
    parser.add_argument("--labels", type=int, default=365)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as root:
        _make(pathlib.Path(root) / "large", chosen.records, chosen.labels)
        found = {"records": chosen.records}
        for name, wanted in (
            ("records_and_split", ()),
            ("first_with_labels", ("scene",)),
            ("with_labels", ("scene",)),
        ):
            start = time.perf_counter()
            split = catalog.open_split(root, "large", "train", aspects=wanted)
            found[name] = round(time.perf_counter() - start, 3)
            assert len(split) == chosen.records
    print(json.dumps(found))
    return 0


def _make(folder: pathlib.Path, num_records: int, num_labels: int) -> None:
    """Writes records of a few bytes, with their ids, lists and labels."""
    ids = [f"some_class/{number:011}_000010.mp4" for number in range(num_records)]
    labels = np.arange(num_records) % 400
    with records.RecordWriter(folder / "videos", 16) as writer:
        for id, label in zip(ids, labels.tolist(), strict=True):
            writer.write(records.VideoRecord(id, b"", label, 300))
    classes = [f"class {label}" for label in range(400)]
    catalog.write_split(folder, "train", ids, labels)
    catalog.write_dataset_file(
        folder, name="large", classes=classes, num_videos=num_records
    )
    values = np.zeros((num_records, num_labels), np.float16)
    values[np.arange(num_records), np.arange(num_records) % num_labels] = 1
    aspect = aspect_table.Aspect("scene", "soft", num_labels, "made up")
    catalog.add_aspect(folder, aspect, ids, values)


if __name__ == "__main__":
    sys.exit(main())
