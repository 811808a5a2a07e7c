"""Labels a data set in parts, restartable, by any number of processes or machines.

A part is a run of consecutive records. Its labels are a shard of their own, written
whole or not at all, so a stopped command resumes with the missing parts. Local
processes and other machines (`beam_labels`) call the same function, `label_part`, and
share nothing but a file system.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import itertools
import json
import multiprocessing
import os
import pathlib
import time
from collections.abc import Generator, Iterator, Mapping, Sequence

import numpy as np

from data_prep.labels import network_labels
from smad_jax import errors
from smad_jax.base import file_io
from smad_jax.data import aspect_records, records


@dataclasses.dataclass(frozen=True)
class Job:
    """All that a worker needs; small, so that it can be sent to any machine.

    All workers see the three folders under these paths.

    Attributes:
        folder: The data set's folder.
        weights: Folder of the network's weights.
        labeller: The network's name.
        parts: Folder for the labels and reports of the parts.
        num_videos: V.
        part_size: Videos of a part.
        num_frames: Frames of a video.
        batch_size: Images that go through the network at once.
        num_threads: Videos that one worker decodes at once.
    """

    folder: pathlib.Path
    weights: pathlib.Path
    labeller: str
    parts: pathlib.Path
    num_videos: int
    part_size: int
    num_frames: int
    batch_size: int
    num_threads: int

    @property
    def num_parts(self) -> int:
        """The number of parts; the last may be smaller."""
        return -(-self.num_videos // self.part_size)

    def positions(self, part: int) -> range:
        """Returns the positions of a part's records."""
        first = part * self.part_size
        return range(first, min(first + self.part_size, self.num_videos))

    def shard(self, part: int) -> pathlib.Path:
        """Returns the path of a part's labels."""
        return self.parts / f"part-{part:05}.tfrecord"

    def report(self, part: int) -> pathlib.Path:
        """Returns the path of a part's report, which exists once the part is done."""
        return self.parts / f"part-{part:05}.json"


@dataclasses.dataclass(frozen=True)
class Report:
    """The outcome of a part.

    Attributes:
        part: Its number.
        num_labelled: Videos that have a label now.
        bad: Id, reason and detail of each video that cannot be labelled.
        seconds: Time of the whole part.
        network_seconds: Time in the network.
        decoding_seconds: Time of decoding, summed over all threads.
    """

    part: int
    num_labelled: int
    bad: tuple[tuple[str, str, str], ...]
    seconds: float
    network_seconds: float
    decoding_seconds: float

    @property
    def num_videos(self) -> int:
        """Videos of the part, labelled or bad."""
        return self.num_labelled + len(self.bad)


def label_part(job: Job, part: int) -> Report:
    """Labels the videos of a part, from 0, unless it is done; returns its report.

    A video that cannot be decoded, or whose record is damaged, is counted and gets no
    label; training masks it.

    Raises:
        DataError: if the data set or the weights are missing.
    """
    if job.report(part).is_file():
        return read_report(job, part)
    classify = network_labels.load_network(job.weights, job.labeller)
    clock = _Clock()
    bad: list[tuple[str, str, str]] = []
    with contextlib.closing(_looked(job, part)) as looked:
        rows = network_labels.average(
            _good(looked, bad, clock), clock.timed(classify), job.batch_size
        )
        with records.ShardWriter(job.shard(part)) as writer:
            num_labelled = 0
            for id, row in rows:
                writer.write(id, aspect_records.fields(row))
                num_labelled += 1
    report = Report(
        part=part,
        num_labelled=num_labelled,
        bad=tuple(bad),
        seconds=time.perf_counter() - clock.start,
        network_seconds=clock.network,
        decoding_seconds=clock.decoding,
    )
    # last, since the report marks the part as done
    file_io.write_text(job.report(part), json.dumps(dataclasses.asdict(report)) + "\n")
    return report


@dataclasses.dataclass
class _Clock:
    """Seconds spent in a part so far."""

    start: float = dataclasses.field(default_factory=time.perf_counter)
    network: float = 0.0
    decoding: float = 0.0

    def timed(self, classify: network_labels.Classify) -> network_labels.Classify:
        """The network, its time counted."""

        def timed(images: np.ndarray) -> np.ndarray:
            start = time.perf_counter()
            probabilities = classify(images)
            self.network += time.perf_counter() - start
            return probabilities

        return timed


def _good(
    looked: Iterator[network_labels.Looked],
    bad: list[tuple[str, str, str]],
    clock: _Clock,
) -> Iterator[tuple[str, network_labels.Frames]]:
    """Ids and frames of the readable videos; the others go to `bad`."""
    for one in looked:
        clock.decoding += one.seconds
        if one.frames is None:
            bad.append((one.id, one.reason, one.detail))
        else:
            yield one.id, one.frames


def _looked(job: Job, part: int) -> Generator[network_labels.Looked]:
    """The frames of each video of a part, decoded some videos ahead."""
    reader = records.RecordReader(job.folder, "videos")
    with (
        contextlib.closing(reader),
        concurrent.futures.ThreadPoolExecutor(job.num_threads) as pool,
    ):
        # a generator: submits a video whenever one is drawn from it
        submitted = (
            pool.submit(network_labels.look_at, reader, position, job.num_frames)
            for position in job.positions(part)
        )
        ahead = collections.deque(itertools.islice(submitted, 2 * job.num_threads))
        while ahead:
            yield ahead.popleft().result()
            ahead.extend(itertools.islice(submitted, 1))


def read_report(job: Job, part: int) -> Report:
    """Returns the report of a part that is done.

    Raises:
        DataError: if the report is damaged.
    """
    path, advice = job.report(part), "remove it, and the same command labels it again"
    content = file_io.read_json(path, advice)
    with file_io.reading(path, advice):
        bad = tuple((id, reason, detail) for id, reason, detail in content.pop("bad"))
        return Report(**content, bad=bad)


def digest(ids: Sequence[str]) -> str:
    """Returns a digest that identifies this list of ids."""
    found = hashlib.sha256()
    for id in ids:
        found.update(f"{id}\n".encode())
    return found.hexdigest()


def parts_folder(
    folder: pathlib.Path, aspect: str, identity: Mapping[str, str | int]
) -> pathlib.Path:
    """Returns the folder for the parts of a job, a different one for every identity.

    `identity` is all that the labels depend on, so that parts of other weights, or of
    another data set under the same name, stay apart.
    """
    text = json.dumps(identity, sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()[:12]
    return folder / "aspects" / f".{aspect}-parts-{name}"


def undone(job: Job) -> list[int]:
    """Returns the numbers of the missing parts."""
    return [part for part in range(job.num_parts) if not job.report(part).is_file()]


def run(job: Job, parts: Sequence[int], *, num_workers: int) -> Iterator[Report]:
    """Yields the report of each part once it is done, here or in other processes.

    Args:
        job: The labelling job.
        parts: Numbers of the parts.
        num_workers: Number of processes; 1 is this one, with all of its devices.
            Several use one processor core each and no accelerator.
    """
    if num_workers == 1:
        yield from (label_part(job, part) for part in parts)
        return
    with concurrent.futures.ProcessPoolExecutor(
        min(num_workers, max(len(parts), 1)),
        # not forked, since JAX has threads
        multiprocessing.get_context("spawn"),
        initializer=_use_one_core,
    ) as pool:
        futures = [pool.submit(label_part, job, part) for part in parts]
        for future in concurrent.futures.as_completed(futures):
            yield future.result()


def _use_one_core() -> None:
    """Keeps JAX to one thread, since several processes would slow each other down."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["NPROC"] = "1"  # the size of XLA's pool of threads
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false"


def gather(job: Job, path: pathlib.Path) -> list[Report]:
    """Writes the labels of all parts to one shard at `path`; returns the reports.

    The records have the order of the data set, in whatever order parts were done.

    Raises:
        DataError: if no video has a label.
    """
    reports = [read_report(job, part) for part in range(job.num_parts)]
    if not any(report.num_labelled for report in reports):
        reasons = count_reasons(reports)
        raise errors.DataError(
            f"no video of {job.folder} can be labelled: "
            f"{', '.join(f'{reason} {n}' for reason, n in reasons.most_common())}"
        )
    with records.ShardWriter(path) as writer:
        for part in range(job.num_parts):
            shard = job.shard(part)
            with contextlib.closing(
                records.RecordReader(shard.parent, shard.stem)
            ) as reader:
                for position, id in enumerate(reader.ids):
                    writer.write(id, {"values": reader[position]["values"]})
    return reports


def write_bad(path: pathlib.Path, reports: Sequence[Report]) -> None:
    """Writes the videos without labels, one JSON object a line; no file if none."""
    lines = [
        json.dumps({"id": id, "reason": reason, "detail": detail}, ensure_ascii=False)
        for report in reports
        for id, reason, detail in report.bad
    ]
    if lines:
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    else:
        path.unlink(missing_ok=True)


def count_reasons(reports: Sequence[Report]) -> collections.Counter[str]:
    """Returns the number of videos without label, by reason."""
    return collections.Counter(
        reason for report in reports for _, reason, _ in report.bad
    )
