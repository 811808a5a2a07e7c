"""Damages files and kills runs, and counts what survives.

    python -m tests.benchmarks.faults --write docs/reliability.md

Prints one table. `refused`: an error that names the file and what to do. `read`: a
result; where the file has checksums it is the right one. `lost`: a traceback, a hang,
or a wrong result in spite of checksums. Damages are drawn by a fixed seed.
"""

import argparse
import collections
import concurrent.futures
import functools
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import optax

from smad_jax import errors
from smad_jax.base import aspect_table, file_io
from smad_jax.data import aspect_records, catalog, records, video
from smad_jax.experiment import run_labels, run_lock
from smad_jax.reporting import documents
from smad_jax.torch_weights import files, saving
from smad_jax.training import checkpoint, log, sharding, train_state

ROOT = pathlib.Path(__file__).resolve().parents[2]
SLOW = 30.0  # seconds after which a file has hung its reader
HEADS = "| fault | tried | refused | read | lost |\n|---|---|---|---|---|"
Outcome = Literal["refused", "read", "lost"]
Counts = collections.Counter[str]


class Target(NamedTuple):
    """A file to damage, and how to read it.

    Attributes:
        path: The file.
        read: Reads it, or the folder that holds it; returns what it found.
        checked: Whether checksums show every damage.
    """

    path: pathlib.Path
    read: Callable[[], object]
    checked: bool = False


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Returns a file with a bit flipped, bytes overwritten, its end cut, or a gap."""
    place = int(rng.integers(len(content)))
    length = int(rng.integers(1, 65))
    match rng.integers(4):
        case 0:
            flipped = content[place] ^ 1 << int(rng.integers(8))
            return content[:place] + bytes([flipped]) + content[place + 1 :]
        case 1:
            noise = rng.bytes(min(length, len(content) - place))
            return content[:place] + noise + content[place + len(noise) :]
        case 2:
            return content[:place]
    return content[:place] + content[place + length :]


def outcome(read: Callable[[], object], right: object, checked: bool) -> Outcome:
    """Returns how reading a damaged file ends."""
    start = time.monotonic()
    try:
        found = read()
    except (errors.UserError, video.VideoError):
        return "refused" if time.monotonic() - start < SLOW else "lost"
    except Exception as error:  # what no reader should let out
        print(f"  {type(error).__name__}: {error}", file=sys.stderr)
        return "lost"
    wrong = checked and found != right
    return "lost" if wrong or time.monotonic() - start > SLOW else "read"


def damage(targets: Sequence[Target], number: int) -> Counts:
    """Damages each target in turn, `number` times in all, and reads it."""
    rng, counts = np.random.default_rng(0), collections.Counter()
    rights = [target.read() for target in targets]
    for row in range(number):
        target, right = targets[row % len(targets)], rights[row % len(targets)]
        whole = target.path.read_bytes()
        target.path.write_bytes(damaged(whole, rng))
        counts[outcome(target.read, right, target.checked)] += 1
        target.path.write_bytes(whole)
    return counts


def videos(folder: pathlib.Path) -> Iterator[Target]:
    """Yields videos and images of the usual forms."""
    pictures = np.random.default_rng(1).integers(0, 256, (40, 48, 64, 3), np.uint8)
    for codec, form in (
        *(("libx264", form) for form in ("mp4", "matroska", "mpegts", "avi")),
        *(("mpeg4", "avi"), ("libvpx-vp9", "webm"), ("gif", "gif")),
    ):
        out = io.BytesIO()
        with video.av.open(out, "w", format=form) as file:
            stream = file.add_stream(codec, rate=25)
            stream.width, stream.height = 64, 48
            stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
            for picture in pictures:
                frame = video.av.VideoFrame.from_ndarray(picture, "rgb24")
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
        yield _video(folder / f"{codec}.{form}", out.getvalue())
    for ending in (".jpg", ".png", ".webp", ".bmp", ".tiff"):
        yield _video(folder / f"a{ending}", cv2.imencode(ending, pictures[0])[1])


def _video(path: pathlib.Path, content: bytes | np.ndarray) -> Target:
    path.write_bytes(bytes(content))

    def read() -> object:
        content = path.read_bytes()
        count = video.probe(content, count="stated").num_frames
        video.probe(content)
        return video.decode(content, [0, count // 2, max(0, count - 1)]).tobytes()

    return Target(path, read)


def data_set(root: pathlib.Path) -> list[Target]:
    """Returns the files of a data set: records, indexes, labels, lists."""
    folder, ids = root / "toy", [f"class/video{number}.mp4" for number in range(6)]
    with records.RecordWriter(folder / "videos", 2) as writer:
        for number, id in enumerate(ids):
            writer.write(records.VideoRecord(id, id.encode() * 40, number % 2, 9))
    catalog.write_split(folder, "train", ids, [0, 1] * 3, ["jump", "run"])
    catalog.write_dataset_file(folder, name="toy", classes=["a", "b"], num_videos=6)
    scene = aspect_table.Aspect("scene", "soft", 5, "made up")
    catalog.add_aspect(folder, scene, ids, np.full((6, 5), 0.2), "abcde")
    aspect_records.read(folder, "scene")

    def read() -> object:
        split = catalog.open_split(root, "toy", "train", aspects=["scene"])
        found = [split.video(row) for row in range(len(split))]
        return found, split.ids, split.aspect_labels["scene"].tobytes()

    paths = sorted(path for path in folder.rglob("*") if path.stat().st_size)
    checked = (".tfrecord", ".index")
    return [Target(p, read, p.suffix in checked) for p in paths if p.is_file()]


def other_files(folder: pathlib.Path) -> Iterator[Target]:
    """Yields files of a run and weights: JSON, NPZ and the files of PyTorch."""
    aspect = aspect_table.Aspect("scene", "soft", 5, "made up")
    run_labels.write(folder, run_labels.Labels(("a", "b"), {"scene": aspect}))
    yield Target(folder / "labels.json", lambda: run_labels.read(folder))
    arrays = {"layer.weight": np.arange(600, dtype=np.float32).reshape(20, 30)}
    for name, write in (
        ("a.pth", saving.write_pth),
        ("a.safetensors", saving.write_safetensors),
    ):
        write(folder / name, arrays)
        read = functools.partial(_weights, folder / name)
        yield Target(folder / name, read, name == "a.pth")
    file_io.write_npz(folder / "a.npz", {"ids": np.arange(300)})
    yield Target(folder / "a.npz", functools.partial(_array, folder / "a.npz"), True)


def _weights(path: pathlib.Path) -> object:
    return {name: array.tobytes() for name, array in files.read(path).tensors.items()}


def _array(path: pathlib.Path) -> object:
    with file_io.npz(path, f"{path} is damaged") as arrays:
        return arrays["ids"].tobytes()


def checkpoints(folder: pathlib.Path) -> list[Target]:
    """Returns the files of the newest of two checkpoints."""
    with checkpoint.Checkpoints(folder) as saved:
        for step in (1, 2):
            saved.save(_state(step), {"step": step})

    def read() -> object:
        with checkpoint.Checkpoints(folder) as saved:
            state, position = saved.restore(_state(0))
        return position, [leaf.tobytes() for leaf in jax.tree.leaves(state)]

    paths = sorted(path for path in (folder / "2").rglob("*") if path.is_file())
    return [Target(path, read, True) for path in paths if path.stat().st_size]


def _state(step: int) -> train_state.TrainState:
    params = {"kernel": jnp.arange(600.0).reshape(20, 30) * step}
    state = train_state.TrainState(
        step=jnp.asarray(step, jnp.int32),
        params=params,
        batch_stats={"mean": jnp.zeros(5)},
        optimizer_state=optax.trace(0.9).init(params),
    )
    return sharding.replicate(state, sharding.make_mesh())


def writers_at_once(root: pathlib.Path, number: int) -> Counts:
    """Adds aspects to a data set at once; counts those entered and lost."""
    data_set(root)
    ids = catalog.open_split(root, "toy", "train").ids

    def add(name: str) -> None:
        aspect = aspect_table.Aspect(name, "soft", 5, "made up")
        catalog.add_aspect(root / "toy", aspect, ids, np.full((6, 5), 0.2))

    names = [f"aspect{row}" for row in range(number)]
    with concurrent.futures.ThreadPoolExecutor(number) as pool:
        list(pool.map(add, names))
    entered = catalog.read_dataset_file(root / "toy").aspects
    return collections.Counter("read" if n in entered else "lost" for n in names)


def second_runs(folder: pathlib.Path, number: int) -> Counts:
    """Starts runs in a folder that is in use; counts those refused by name."""
    code = (
        "import pathlib, sys; from smad_jax.experiment import run_lock\n"
        "with run_lock.held(pathlib.Path(sys.argv[1])): print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        counts = collections.Counter()
        for _ in range(number):
            try:
                with run_lock.held(folder):
                    counts["lost"] += 1
            except errors.ConfigError as error:
                counts[
                    "refused" if f"process {holder.pid}" in str(error) else "lost"
                ] += 1
        holder.kill()
    return counts


def kills(folder: pathlib.Path, number: int) -> Counts:
    """Kills trainings at random moments; counts those that end as one in one piece."""
    whole = _train(folder / "whole", folder)
    rng, counts = np.random.default_rng(0), collections.Counter()
    for row in range(number):
        workdir = folder / f"killed{row}"
        process = _started(workdir, folder)
        time.sleep(float(rng.uniform(0, 1.2 * whole)))
        process.send_signal(signal.SIGKILL)
        process.wait()
        _train(workdir, folder)
        same = _result(workdir) == _result(folder / "whole")
        counts["read" if same else "lost"] += 1
        shutil.rmtree(workdir)
    return counts


def _started(workdir: pathlib.Path, data: pathlib.Path) -> subprocess.Popen[bytes]:
    flags = (
        *("--config=configs/slowonly_smad.py", f"--workdir={workdir}"),
        *(f"--config.data.root={data}", "--config.data.embedded_scale=0.02"),
        *("--config.training.max_steps=30", "--config.training.log_every=7"),
    )
    return subprocess.Popen(
        [sys.executable, "main.py", *flags],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )


def _train(workdir: pathlib.Path, data: pathlib.Path) -> float:
    """Trains to the end; returns the seconds."""
    start = time.monotonic()
    if code := _started(workdir, data).wait():
        print(f"  {workdir} ended with code {code}", file=sys.stderr)
    return time.monotonic() - start


def _result(workdir: pathlib.Path) -> object:
    """The parameters, the results, and metrics.jsonl without times and memory."""
    arrays = checkpoint.read_trained(workdir / "checkpoints")
    params = {name: array.tobytes() for name, array in arrays[1].items()}
    results = json.loads((workdir / "results.json").read_text("utf-8"))["results"]
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text("utf-8").splitlines())
    measured = ("time/", "clips_per_second", "memory/")
    return (
        params,
        results,
        [
            {key: value for key, value in line.items() if not key.startswith(measured)}
            for line in lines
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code, 1 if anything is lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.faults")
    parser.add_argument("--files", type=int, default=2000, help="videos damaged")
    parser.add_argument("--kills", type=int, default=50, help="trainings killed")
    parser.add_argument("--write", type=pathlib.Path, help="page to put the table in")
    chosen = parser.parse_args(arguments)
    log.logger.setLevel("ERROR")
    some = max(1, chosen.files // 4)
    rows: dict[str, Counts] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        targets = list(videos(folder))
        rows["damaged videos and images"] = damage(targets, chosen.files)
        rows["damaged files of a data set"] = damage(data_set(folder), some)
        rows["damaged files of runs and weights"] = damage(
            list(other_files(folder)), some
        )
        rows["damaged files of a checkpoint"] = damage(checkpoints(folder / "c"), some)
        rows["writers of aspects at once"] = writers_at_once(folder / "w", 40)
        rows["a second run in a folder"] = second_runs(folder / "r", 20)
        if chosen.kills:
            rows["`kill -9` in training"] = kills(folder, chosen.kills)
    lines = [
        f"| {fault} | {sum(n.values()):,} | {n['refused']:,} | {n['read']:,} | "
        f"{n['lost']:,} |"
        for fault, n in rows.items()
    ]
    table = "\n".join([HEADS, *lines])
    print(table)
    if chosen.write:
        documents.replace(chosen.write, "faults", table)
    return int(any(counts["lost"] for counts in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
