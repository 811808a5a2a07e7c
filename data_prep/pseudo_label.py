"""Pseudo-labels of an aspect for a data set: by a network, from a file, or by looks.

    python -m data_prep.pseudo_label --data-root R --dataset D --aspect scene \
        --labeller resnet50 --weights weights/resnet50_places365
    python -m data_prep.pseudo_label --data-root R --dataset D --aspect scene --from F
    python -m data_prep.pseudo_label --data-root R --dataset D --labeller appearance

The first shows a network 25 frames of each video, or the image, and averages its
softmax (App. A.1: ResNet-50 of Places365 and of ImageNet); `torch_weights import` makes
the folder of weights. Stopped, the same command goes on where it was. `--runner` does
the same on Apache Beam, whose own options come last (`-- --flink_master=...`).

F holds what a network gave elsewhere: a CSV `id,p0,p1,...` or `id,label`, or an NPZ
with `ids` and `probabilities`. Where no network is at hand, `appearance` clusters the
videos by colour and edges of a few frames: no names, but soft labels of what a scene
looks like.
"""

import argparse
import concurrent.futures.process
import dataclasses
import pathlib
import sys
from collections.abc import Sequence

from data_prep.labels import (
    appearance,
    beam_labels,
    label_files,
    label_parts,
    network_labels,
)
from smad_jax import aspect_table, errors
from smad_jax.commands import command_line
from smad_jax.data import catalog, label_names, records
from smad_jax.models import labellers


def run(chosen: argparse.Namespace) -> str:
    """Makes the labels that the command line asks for; returns what there is to say.

    Raises:
        ConfigError: if the aspect is unknown or has tags instead of soft labels, or if
            the labeller does not fit.
        DataError: if data are missing or malformed.
    """
    folder = chosen.data_root / chosen.dataset
    catalog.read_dataset_file(folder)
    aspect = aspect_table.get(chosen.aspect)
    if aspect.kind != "soft":
        raise errors.ConfigError(
            f"{chosen.aspect!r} has tags given by people, not pseudo-labels; run "
            "python -m data_prep.hvu_tags"
        )
    names = label_names.read(chosen.names) if chosen.names else ()
    if chosen.labeller in labellers.NAMES:
        return _run_network(chosen, folder, aspect, names)
    if chosen.source:
        labels = _given_labels(chosen, records.RecordReader(folder, "videos").ids)
        source = f"joined from {chosen.source.name}"
    else:
        labels = appearance.label_by_appearance(
            folder,
            num_labels=chosen.num_labels,
            num_frames=chosen.num_frames or 3,
            seed=chosen.seed,
            num_jobs=chosen.jobs,
        )
        source = "clusters of appearance"
        if warning := appearance.warning(labels.values):
            print(f"warning: {warning}", file=sys.stderr)
    num_labels = labels.values.shape[1]
    aspect = dataclasses.replace(aspect, num_labels=num_labels, source=source)
    if names:
        label_names.checked(chosen.names, names, num_labels)
    catalog.add_aspect(folder, aspect, labels.ids, labels.values, names)
    num_videos = len(records.RecordReader(folder, "videos"))
    return (
        f"{chosen.aspect}: {num_labels} labels, {source}, for {len(labels.ids)} of "
        f"{num_videos} videos"
    )


def _given_labels(
    chosen: argparse.Namespace, known: Sequence[str]
) -> label_files.Labels:
    """Labels of `--from`, each of a stored video."""
    read = (
        label_files.read_npz if chosen.source.suffix == ".npz" else label_files.read_csv
    )
    num_labels = chosen.num_labels
    if num_labels is None and read is label_files.read_csv:
        lines = label_files.csv_rows(chosen.source)
        if len(next(lines, (0, []))[1]) == 2:  # hard labels state no number of labels
            num_labels = aspect_table.get(chosen.aspect).num_labels
    labels = read(chosen.source, num_labels=num_labels)
    label_files.check_ids(labels.ids, known)
    return labels


def _run_network(
    chosen: argparse.Namespace,
    folder: pathlib.Path,
    aspect: aspect_table.Aspect,
    names: Sequence[str],
) -> str:
    """Labels by a network: what is missing of the parts, then the whole."""
    if not chosen.weights:
        raise errors.ConfigError(
            f"--labeller {chosen.labeller} needs --weights FOLDER; make it with "
            "python -m smad_jax.torch_weights import"
        )
    if chosen.runner:
        beam_labels.import_beam()  # before any work
    weights = network_labels.check_weights(chosen.weights, chosen.labeller)
    if weights.num_labels != (chosen.num_labels or aspect.num_labels):
        raise errors.ConfigError(
            f"{chosen.weights} gives {weights.num_labels} labels, but "
            f"{chosen.aspect!r} has {chosen.num_labels or aspect.num_labels}; if that "
            f"is meant, say --num-labels {weights.num_labels}"
        )
    if names:
        label_names.checked(chosen.names, names, weights.num_labels)
    job = _job(chosen, folder, weights)
    job.parts.mkdir(parents=True, exist_ok=True)
    _do_parts(chosen, job)
    path = folder / "aspects" / f"{chosen.aspect}.tfrecord"
    label_names.store(folder, chosen.aspect, ())  # of the labels before
    reports = label_parts.gather(job, path)
    label_parts.write_bad(path.with_suffix(".bad.jsonl"), reports)
    source = f"{chosen.labeller} of {chosen.weights.name}, {job.num_frames} frames"
    catalog.enter_aspect(
        folder,
        dataclasses.replace(aspect, num_labels=weights.num_labels, source=source),
        names,
    )
    label_parts.remove_parts(job)
    return _summary(chosen, path, reports)


def _job(
    chosen: argparse.Namespace, folder: pathlib.Path, weights: network_labels.Weights
) -> label_parts.Job:
    """The job that the command line asks for, its parts in a folder of their own."""
    num_frames = chosen.num_frames or network_labels.NUM_FRAMES
    ids = records.RecordReader(folder, "videos").ids
    stored = sorted(folder.glob("videos*.tfrecord"))
    identity = {
        "weights": weights.digest,
        "frames": num_frames,
        "part size": chosen.part_size,
        "ids": label_parts.digest(ids),
        "bytes": sum(path.stat().st_size for path in stored),
    }
    return label_parts.Job(
        folder=folder.absolute(),
        weights=chosen.weights.absolute(),
        labeller=chosen.labeller,
        parts=label_parts.parts_folder(folder.absolute(), chosen.aspect, identity),
        num_videos=len(ids),
        part_size=chosen.part_size,
        num_frames=num_frames,
        batch_size=chosen.batch_size,
        num_threads=chosen.jobs,
    )


def _do_parts(chosen: argparse.Namespace, job: label_parts.Job) -> None:
    """Does the parts that are missing, and says how it goes."""
    parts = label_parts.undone(job)
    done = job.num_parts - len(parts)
    if done:
        print(f"{done} of {job.num_parts} parts were done before", file=sys.stderr)
    if not parts:
        return
    if chosen.runner:
        options = chosen.runner_options
        counted = beam_labels.run(job, parts, runner=chosen.runner, options=options)
        said = ", ".join(f"{name} {n}" for name, n in sorted(counted.items()))
        print(f"{chosen.runner}: {said}", file=sys.stderr)
        return
    try:
        for report in label_parts.run(job, parts, num_workers=chosen.num_workers):
            done += 1
            print(
                f"part {done} of {job.num_parts}: {report.num_labelled} labelled, "
                f"{len(report.bad)} bad, "
                f"{report.num_videos / report.seconds:.1f} videos/s",
                file=sys.stderr,
            )
    except concurrent.futures.process.BrokenProcessPool as error:
        raise errors.DataError(
            "a worker process was killed, for want of memory perhaps; the same command "
            "goes on with the parts that are missing, with fewer --num-workers or a "
            "smaller --batch-size if need be"
        ) from error


def _summary(
    chosen: argparse.Namespace,
    path: pathlib.Path,
    reports: Sequence[label_parts.Report],
) -> str:
    """What came of all parts, and where the time went."""
    num_labelled = sum(report.num_labelled for report in reports)
    num_videos = sum(report.num_videos for report in reports)
    seconds = sum(report.seconds for report in reports)
    decoding = sum(report.decoding_seconds for report in reports)
    network = sum(report.network_seconds for report in reports)
    lines = [
        f"{chosen.aspect}: labels by {chosen.labeller} for {num_labelled} of "
        f"{num_videos} videos",
        f"{num_videos / seconds:.2f} videos/s a worker; decoding took {decoding:.1f} s "
        f"(in {chosen.jobs} threads), the network {network:.1f} s of {seconds:.1f} s",
    ]
    if reasons := label_parts.count_reasons(reports):
        counts = ", ".join(f"{reason} {n}" for reason, n in reasons.most_common())
        bad = path.with_suffix(".bad.jsonl")
        lines.append(f"without label: {counts}; {bad} lists them")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data_prep.pseudo_label",
        description="Stores soft labels of an aspect beside a data set's videos.",
    )
    add = parser.add_argument
    add("--data-root", type=pathlib.Path, required=True, help="folder of the data sets")
    add("--dataset", required=True, help="name of the data set")
    add("--aspect", default="scene", help="name of the aspect (default: scene)")
    ways = parser.add_mutually_exclusive_group(required=True)
    ways.add_argument(
        "--from", dest="source", type=pathlib.Path, help="CSV or NPZ made elsewhere"
    )
    ways.add_argument(
        "--labeller",
        choices=("appearance", *labellers.NAMES),
        help="make them here: a network, or clusters of appearance",
    )
    add("--weights", type=pathlib.Path, help="folder of the network's weights")
    add(
        "--num-labels",
        type=command_line.whole_number(1),
        help="number of labels (appearance: 16, fewer for under 64 videos; default: "
        "as the aspect has)",
    )
    add(
        "--names",
        type=pathlib.Path,
        help="what the labels are called, one a line, as categories_places365.txt; "
        "pages and figures then say so",
    )
    add(
        "--num-frames",
        type=command_line.whole_number(1),
        help="frames to look at (default: 25; appearance: 3)",
    )
    add(
        "--jobs",
        type=command_line.whole_number(1),
        default=2,
        help="videos decoded at once (default: 2)",
    )
    add("--seed", type=int, default=0, help="of the clustering (default: 0)")
    network = parser.add_argument_group("labelling by a network").add_argument
    network(
        "--batch-size",
        type=command_line.whole_number(1),
        default=50,
        help="images at once through the network (default: 50)",
    )
    network(
        "--part-size",
        type=command_line.whole_number(1),
        default=500,
        help="videos of a part, the most that is lost if stopped (default: 500)",
    )
    network(
        "--num-workers",
        type=command_line.whole_number(1),
        default=1,
        help="processes; from two on without accelerator (default: 1, this one)",
    )
    network("--runner", help="of Apache Beam, instead of processes, as FlinkRunner")
    network(
        "runner_options",
        nargs="*",
        metavar="-- OPTION",
        help="the runner's own options, as --flink_master=HOST:PORT",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.runner_options and not chosen.runner:
        parser.error(f"without --runner, what are {chosen.runner_options}?")
    return command_line.run(lambda: run(chosen))


if __name__ == "__main__":
    sys.exit(main())
