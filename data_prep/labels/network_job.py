"""Labels a whole data set by a network: missing parts, then the whole."""

import concurrent.futures.process
import dataclasses
import pathlib
import shutil
from collections.abc import Sequence

from data_prep.labels import beam_labels, label_parts, network_labels
from smad_jax import errors
from smad_jax.base import aspect_table, command_line
from smad_jax.data import catalog, label_names, records


@dataclasses.dataclass(frozen=True)
class Options:
    """The choices of a job.

    Attributes:
        weights: Folder of the network's weights.
        num_labels: Z; None for the aspect's.
        num_frames: Frames of a video; None for 25.
        jobs: Videos that a worker decodes at once.
        batch_size: Images that go through the network at once.
        part_size: Videos of a part, at most lost by a stop.
        num_workers: Number of processes; several use no accelerator.
        runner: Runner of Apache Beam, in place of processes.
        runner_options: The runner's own options.
    """

    weights: pathlib.Path
    num_labels: int | None = None
    num_frames: int | None = None
    jobs: int = 2
    batch_size: int = 50
    part_size: int = 500
    num_workers: int = 1
    runner: str | None = None
    runner_options: tuple[str, ...] = ()


def label(
    folder: pathlib.Path,
    aspect: aspect_table.Aspect,
    labeller: str,
    options: Options,
    names: pathlib.Path | None = None,
) -> list[label_parts.Report]:
    """Stores a network's labels of a data set's videos; returns the parts' reports.

    Raises:
        ConfigError: if the weights do not fit, or Apache Beam is missing.
        DataError: if data are missing or no video can be labelled.
    """
    if options.runner:
        beam_labels.import_beam()  # fails before any work
    weights = network_labels.check_weights(options.weights, labeller)
    num_labels = options.num_labels or aspect.num_labels
    if weights.num_labels != num_labels:
        raise errors.ConfigError(
            f"{options.weights} gives {weights.num_labels} labels, but {aspect.name!r} "
            f"has {num_labels}; if that is intended, add --num-labels "
            f"{weights.num_labels}"
        )
    label_text = label_names.read(names, num_labels) if names else ()
    job = _job(folder, aspect.name, labeller, options, weights)
    job.parts.mkdir(parents=True, exist_ok=True)
    _do_parts(options, job)
    path = folder / "aspects" / f"{aspect.name}.tfrecord"
    label_names.store(folder, aspect.name, ())  # removes the earlier labels' names
    reports = label_parts.gather(job, path)
    label_parts.write_bad(path.with_suffix(".bad.jsonl"), reports)
    source = f"{labeller} of {options.weights.name}, {job.num_frames} frames"
    stored = dataclasses.replace(aspect, num_labels=num_labels, source=source)
    catalog.enter_aspect(folder, stored, label_text)
    shutil.rmtree(job.parts)
    return reports


def _job(
    folder: pathlib.Path,
    aspect: str,
    labeller: str,
    options: Options,
    weights: network_labels.Weights,
) -> label_parts.Job:
    """The job, its parts in a folder of their own."""
    num_frames = options.num_frames or network_labels.NUM_FRAMES
    ids = records.RecordReader(folder, "videos").ids
    stored = sorted(folder.glob("videos*.tfrecord"))
    identity = {
        "weights": weights.digest,
        "frames": num_frames,
        "part size": options.part_size,
        "ids": label_parts.digest(ids),
        "bytes": sum(path.stat().st_size for path in stored),
    }
    return label_parts.Job(
        folder=folder.absolute(),
        weights=options.weights.absolute(),
        labeller=labeller,
        parts=label_parts.parts_folder(folder.absolute(), aspect, identity),
        num_videos=len(ids),
        part_size=options.part_size,
        num_frames=num_frames,
        batch_size=options.batch_size,
        num_threads=options.jobs,
    )


def _do_parts(options: Options, job: label_parts.Job) -> None:
    """Does the missing parts and reports progress on stderr."""
    parts = label_parts.undone(job)
    done = job.num_parts - len(parts)
    if done:
        command_line.on_standard_error(
            f"{done} of {job.num_parts} parts were done before"
        )
    if not parts:
        return
    if options.runner:
        reports = beam_labels.run(
            job, parts, runner=options.runner, options=options.runner_options
        )
        command_line.on_standard_error(
            f"{options.runner}: {sum(len(report.bad) for report in reports)} bad, "
            f"{sum(report.num_labelled for report in reports)} labelled"
        )
        return
    try:
        for report in label_parts.run(job, parts, num_workers=options.num_workers):
            done += 1
            command_line.on_standard_error(
                f"part {done} of {job.num_parts}: {report.num_labelled} labelled, "
                f"{len(report.bad)} bad, "
                f"{report.num_videos / report.seconds:.1f} videos/s"
            )
    except concurrent.futures.process.BrokenProcessPool as error:
        raise errors.DataError(
            "a worker process was killed, perhaps for lack of memory; the same command "
            "resumes with the missing parts; use fewer --num-workers or a smaller "
            "--batch-size if it happens again"
        ) from error


def summary(
    reports: Sequence[label_parts.Report],
    folder: pathlib.Path,
    aspect: str,
    labeller: str,
    jobs: int,
) -> str:
    """Returns the numbers of labels, and where the time went."""
    num_videos = sum(report.num_videos for report in reports)
    seconds = sum(report.seconds for report in reports)
    decoding = sum(report.decoding_seconds for report in reports)
    network = sum(report.network_seconds for report in reports)
    lines = [
        f"{aspect}: labels by {labeller} for "
        f"{sum(report.num_labelled for report in reports)} of {num_videos} videos",
        f"{num_videos / seconds:.2f} videos/s a worker; decoding took {decoding:.1f} s "
        f"(in {jobs} threads), the network {network:.1f} s of {seconds:.1f} s",
    ]
    if reasons := label_parts.count_reasons(reports):
        counts = ", ".join(f"{reason} {n}" for reason, n in reasons.most_common())
        bad = folder / "aspects" / f"{aspect}.bad.jsonl"
        lines.append(f"without label: {counts}; {bad} lists them")
    return "\n".join(lines)
