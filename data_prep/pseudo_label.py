"""Stores pseudo-labels of an aspect: by a network, from a file, or by appearance.

    python -m data_prep.pseudo_label --data-root R --dataset D --aspect scene \
        --labeller resnet50 --weights weights/resnet50_places365
    python -m data_prep.pseudo_label --data-root R --dataset D --aspect scene --from F
    python -m data_prep.pseudo_label --data-root R --dataset D --labeller appearance
    python -m data_prep.pseudo_label --videos clips/ --labeller appearance --out S.csv

The first averages a network's softmax over 25 frames of each video, or labels the image
(App. A.1: ResNet-50 of Places365 and of ImageNet); `torch_weights import` makes the
folder of weights. After a stop, the same command resumes. `--runner` uses Apache Beam,
whose own options come last (`-- --flink_master=...`).

F holds labels made elsewhere: a table `id,p0,p1,...` or `id,label`, the label a number
or a word, or an NPZ with `ids` and `probabilities` or `labels`. With `--tags` a video
may have several: columns of 0 and 1, or words with `|` between. The aspect may have any
name. `appearance` needs no network: it clusters the videos by
colour and edges of a few frames, which gives soft labels of scenes without names, and a
sheet of pictures to name them by. With `--videos` no data set is needed: the labels go
to a table that `audit` reads.
"""

import argparse
import dataclasses
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from data_prep.labels import label_files
from smad_jax import errors
from smad_jax.base import aspect_names, aspect_table, command_line, sections
from smad_jax.data import catalog, label_names, records

HELP = "store soft labels of an aspect beside a data set's videos"

# The names in `models.labellers`, whose import takes seconds.
NETWORKS = ("densenet161", "efficientnet_lite0", "resnet18", "resnet50")


def soft_aspect(name: str) -> aspect_table.Aspect:
    """Returns an aspect that has soft labels.

    Raises:
        ConfigError: if it is unknown or has tags instead.
    """
    aspect = aspect_names.get(name)
    if aspect.kind != "soft":
        raise errors.ConfigError(
            f"{name!r} has tags given by people, not pseudo-labels; run "
            "python -m data_prep.hvu_tags, or give a file with --from"
        )
    return aspect


def read_labels(
    path: pathlib.Path,
    aspect: aspect_table.Aspect,
    known: Sequence[str],
    num_labels: int | None = None,
    names: tuple[str, ...] = (),
) -> label_files.Labels:
    """Returns the labels in an NPZ file or a table, each of a video in `known`.

    Labels that are numbers have the aspect's number where `num_labels` is None and
    there are no `names`.

    Raises:
        DataError: if the file is malformed or labels an unknown video.
    """
    rules = label_files.Rules(
        num_labels, aspect.num_labels or None, names, aspect.kind == "tags"
    )
    if path.suffix == ".npz":
        labels = label_files.read_npz(path, rules)
    else:
        labels = label_files.read_csv(path, rules, known)
    return labels._replace(ids=label_files.stored_ids(labels.ids, known))


def store(
    folder: pathlib.Path,
    aspect: aspect_table.Aspect,
    labels: label_files.Labels,
    source: str,
    names: pathlib.Path | None = None,
) -> None:
    """Stores labels beside a data set's videos, with their source and names.

    Raises:
        DataError: if the names do not fit.
    """
    num_labels = labels.values.shape[1]
    read = label_names.read(names, num_labels) if names else labels.names
    if read and not names:  # words that another data set may number otherwise
        source = f"{source}, {label_names.mark(read)}"
    aspect = dataclasses.replace(aspect, num_labels=num_labels, source=source)
    catalog.add_aspect(folder, aspect, labels.ids, labels.values, read)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    add, path = parser.add_argument, pathlib.Path
    number = command_line.whole_number(1)
    command_line.add_data_root(parser)
    sources = parser.add_mutually_exclusive_group(required=True)
    sources.add_argument("--dataset", help="name of the data set")
    sources.add_argument(
        "--videos",
        type=path,
        help="or a folder of videos, to be labelled by appearance",
    )
    add("--aspect", default="scene", help="name of the aspect, any with --from")
    ways = parser.add_mutually_exclusive_group(required=True)
    ways.add_argument(
        "--from", dest="source", type=path, help="table or NPZ of labels made elsewhere"
    )
    ways.add_argument(
        "--labeller",
        choices=("appearance", *NETWORKS),
        help="a network, or clusters of appearance",
    )
    add("--weights", type=path, help="folder of the network's weights")
    add(
        "--num-labels",
        type=number,
        help="number of labels; by default the aspect's, for one of your own as many "
        "as the file has, and for appearance 16, or fewer if there are fewer than 64 "
        "videos",
    )
    add(
        "--tags",
        action="store_true",
        help="with --from: a video may have several labels, or none",
    )
    add(
        "--names",
        type=path,
        help="file of the labels' names, one per line, as categories_places365.txt: "
        "for pages and figures, and to number the words of --from",
    )
    add(
        "--num-frames",
        type=number,
        help="frames per video; by default 25, and for appearance 3",
    )
    add("--jobs", type=number, default=2, help="videos decoded at once")
    add("--seed", type=int, default=0, help="random seed of the clustering")
    add(
        "--like",
        metavar="DATASET",
        help="labelled data set whose clusters of appearance to use, so that equal "
        "numbers mean equal scenes, as joint training needs",
    )
    _add_folder_arguments(parser)
    _add_network_arguments(parser)


def _add_folder_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("labelling a folder, with --videos").add_argument
    add(
        "--out",
        type=pathlib.Path,
        help="CSV to write (default: the aspect's name, .csv); a sheet and a file of "
        "names are written beside it",
    )
    add(
        "--id",
        choices=("path", "name", "stem"),  # as in `labels.folder_labels`
        default="path",
        help="id of a video: path below the folder, as predict writes, file name, or "
        "name without ending",
    )


def _add_network_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("labelling by a network").add_argument
    number = command_line.whole_number(1)
    add("--batch-size", type=number, default=50, help="images per batch")
    add(
        "--part-size",
        type=number,
        default=500,
        help="videos per part; a stop loses at most one part",
    )
    add(
        "--num-workers",
        type=number,
        default=1,
        help="number of processes; with several, none uses an accelerator",
    )
    add("--runner", help="runner of Apache Beam, in place of processes")
    add(
        "runner_options",
        nargs="*",
        metavar="-- OPTION",
        help="the runner's own options, such as --flink_master=HOST:PORT",
    )


def _check(
    labeller: str | None,
    num_labels: int | None,
    like: str | None,
    tags: bool,
    network: Mapping[str, object],
) -> None:
    """Raises ConfigError for options that do not go together."""
    if labeller and tags:
        raise errors.ConfigError("--tags needs --from, for a labeller gives no tags")
    if network["runner_options"] and not network["runner"]:
        raise errors.ConfigError(
            f"runner options {network['runner_options']} need --runner"
        )
    if like and (num_labels or labeller != "appearance"):
        raise errors.ConfigError(
            "--like needs --labeller appearance, and takes the number of labels too"
        )
    if labeller in NETWORKS and not network["weights"]:
        raise errors.ConfigError(
            f"--labeller {labeller} needs --weights FOLDER; make it with "
            "python -m smad_jax weights import"
        )


def _check_folder(
    videos: pathlib.Path | None,
    out: pathlib.Path | None,
    labeller: str | None,
    like: str | None,
    names: pathlib.Path | None,
) -> None:
    """Raises ConfigError for options that do not go with a folder, or without one."""
    if videos is None and out is not None:
        raise errors.ConfigError("--out needs --videos")
    if videos is not None and (labeller != "appearance" or like or names):
        raise errors.ConfigError(
            "--videos takes --labeller appearance, without --like and --names; for "
            "other labels make a data set first, with "
            f"python -m smad_jax build_records --videos {videos} --name NAME"
        )


def _note_replaced(folder: pathlib.Path, aspect: str) -> None:
    """Notes that a data set has labels of the aspect, which new ones replace."""
    before = catalog.read_dataset_file(folder).aspects.get(aspect)
    if before is not None:
        command_line.on_standard_error(
            f"note: this replaces the labels of {aspect!r}: {before.source}"
        )


class Clustering(TypedDict):
    """The options of `appearance.label_by_appearance`."""

    num_labels: int | None
    num_frames: int
    seed: int
    num_jobs: int


def _label_folder(
    videos: pathlib.Path | None,
    out: pathlib.Path | None,
    aspect: str,
    id: Literal["path", "name", "stem"],
    options: Clustering,
) -> str:
    """Labels a folder that is no data set; returns what was written."""
    from data_prep.labels import folder_labels

    if videos is None:
        raise errors.ConfigError("name a --dataset or a folder of --videos")
    target = out or pathlib.Path(f"{aspect}.csv")
    return folder_labels.label(videos, aspect, target, key=id, **options)


def _by_appearance(
    folder: pathlib.Path, aspect: str, like: pathlib.Path | None, options: Clustering
) -> tuple[label_files.Labels, str]:
    """Labels of a data set by appearance, and their source; stores the clusters."""
    from data_prep.labels import appearance, cluster_sheet

    stored = records.RecordReader(folder, "videos")
    theirs = appearance.read_clusters(like, aspect) if like else None
    labels, clusters = appearance.label_by_appearance(
        stored, clusters=theirs, **options
    )
    appearance.store_clusters(folder, aspect, clusters)
    sheet = folder / "aspects" / f"{aspect}.clusters.png"
    cluster_sheet.draw(stored, labels, aspect, sheet)
    command_line.on_standard_error(f"a row of pictures for each label: {sheet}")
    if like is None and (warning := appearance.warning(labels.values)):
        command_line.on_standard_error(f"warning: {warning}")
    return labels, clusters.source


def run(
    *,
    data_root: pathlib.Path,
    dataset: str | None,
    videos: pathlib.Path | None,
    out: pathlib.Path | None,
    id: Literal["path", "name", "stem"],
    aspect: str,
    source: pathlib.Path | None,
    labeller: str | None,
    names: pathlib.Path | None,
    num_labels: int | None,
    num_frames: int | None,
    jobs: int,
    seed: int,
    like: str | None,
    tags: bool,
    **network: object,
) -> str:
    """Makes or reads the labels and stores them; returns their numbers."""
    _check(labeller, num_labels, like, tags, network)
    _check_folder(videos, out, labeller, like, names)
    clustering: Clustering = {
        "num_labels": num_labels,
        "num_frames": num_frames or 3,
        "seed": seed,
        "num_jobs": jobs,
    }
    if dataset is None:
        return _label_folder(videos, out, soft_aspect(aspect).name, id, clustering)
    folder = data_root / dataset
    _note_replaced(folder, aspect)
    chosen = aspect_names.get(aspect) if source else soft_aspect(aspect)
    if tags:
        chosen = dataclasses.replace(chosen, kind="tags")
    # Checked before long work.
    named = label_names.read(names, num_labels) if names else ()
    if labeller in NETWORKS:
        from data_prep.labels import network_job

        sizes = {"num_labels": num_labels, "num_frames": num_frames, "jobs": jobs}
        options = sections.read(network_job.Options, "", {**network, **sizes})
        reports = network_job.label(folder, chosen, labeller, options, names)
        return network_job.summary(reports, folder, aspect, labeller, jobs)
    if source:
        ids = records.RecordReader(folder, "videos").ids
        labels = read_labels(source, chosen, ids, num_labels, named)
        origin = f"joined from {source.name}"
    else:
        labels, origin = _by_appearance(
            folder, aspect, data_root / like if like else None, clustering
        )
    store(folder, chosen, labels, origin, names)
    num_videos = len(records.RecordReader(folder, "videos"))
    return (
        f"{aspect}: {labels.values.shape[1]} labels, {origin}, for {len(labels.ids)} "
        f"of {num_videos} videos"
    )


main = command_line.Program(
    "python -m data_prep.pseudo_label", HELP, add_arguments, run
)

if __name__ == "__main__":
    sys.exit(main())
