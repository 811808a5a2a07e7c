"""What all tests share: four virtual devices, and the real videos where they are."""

import os
import pathlib
import shutil

# Before JAX is imported: its device count cannot change afterwards.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Most of the suite's time is compiling: without LLVM's optimisation that takes three
# fifths of the time, and what is computed is small. What one worker has compiled, the
# others read, and the same program again; as main.py does.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "")
    + " --xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
)

os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(pathlib.Path(__file__).parents[1] / ".jax_cache")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")

import pytest
from absl import flags


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leaves out what is run by hand, unless -m speaks of it."""
    if "by_hand" in config.getoption("markexpr"):
        return
    left_out = [item for item in items if item.get_closest_marker("by_hand")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session", autouse=True)
def parsed_flags() -> None:
    """Grain reads absl flags, which pytest does not parse."""
    flags.FLAGS.mark_as_parsed()


@pytest.fixture(scope="session")
def real_data() -> pathlib.Path:
    """The folder of real videos, lists and label maps; the test skips without it."""
    folder = os.environ.get("SMAD_TEST_DATA")
    if not folder:
        pytest.skip("no real videos; SMAD_TEST_DATA names their folder")
    return pathlib.Path(folder)


@pytest.fixture(scope="session")
def browser() -> str:
    """The command of a headless Chromium; the test skips without one."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"no browser; one of {', '.join(names)} would do")
    return found


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A data folder with a twentieth of the embedded benchmark's first draw."""
    from data_prep.embedded import make

    folder = tmp_path_factory.mktemp("datasets")
    make.prepare(folder, 0, scale=0.05, log=lambda line: None)
    return folder


@pytest.fixture(scope="session")
def web_data(small_data: pathlib.Path) -> str:
    """The name of a data set of images beside `small_data`, without aspect labels.

    Its split `train` numbers the classes as the benchmark does and has more images of
    some; `backwards` numbers them the other way round, `few` has two of them.
    """
    import cv2
    import numpy as np

    from smad_jax.data import catalog, records
    from smad_jax.data.embedded import benchmark

    folder, classes = small_data / "stills", benchmark.ACTIONS
    rng = np.random.default_rng(0)
    ids = [
        f"{label}-{n}.png" for label in range(len(classes)) for n in range(1 + label)
    ]
    labels = [int(id.partition("-")[0]) for id in ids]
    with records.RecordWriter(folder / "videos") as writer:
        for id, label in zip(ids, labels, strict=True):
            picture = rng.integers(0, 256, (36, 48, 3), np.uint8)
            content = cv2.imencode(".png", picture)[1].tobytes()
            writer.write(records.VideoRecord(id, content, label, 1))
    catalog.write_split(folder, "train", ids, labels)
    numbers = [len(classes) - 1 - label for label in labels]
    catalog.write_split(folder, "backwards", ids, numbers, classes[::-1])
    catalog.write_split(folder, "few", ids[:3], labels[:3], classes[:2])
    catalog.write_dataset_file(
        folder, name="stills", classes=classes, num_videos=len(ids)
    )
    return "stills"


@pytest.fixture(scope="session")
def small_web(small_data: pathlib.Path) -> str:
    """The name of the web data set of `small_data`, its thirds without a teacher."""
    from data_prep import omnidebias
    from data_prep.embedded import web_media

    folder = web_media.prepare(small_data, 0, scale=0.05, log=lambda line: None)
    place = ["--data-root", str(small_data), "--dataset", folder.name]
    assert omnidebias.main([*place, "--split", "raw"]) == 0
    return folder.name


@pytest.fixture(scope="session")
def fresh_run(
    small_data: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> pathlib.Path:
    """The folder of a finished run with SAAR and adversaries, which learnt nothing."""
    import json

    from configs import base, slowonly_smad
    from smad_jax.experiment import build, run_labels, splits
    from smad_jax.experiment.settings import Settings
    from smad_jax.training import checkpoint, sharding

    config = base.smoke(slowonly_smad.get_config())
    config.data.root = str(small_data)
    folder = tmp_path_factory.mktemp("runs") / "fresh"
    folder.mkdir()
    settings = Settings.read(config)
    train = splits.open_train(settings)
    plan = build.make_plan(settings, train, "fresh")
    state = build.build(settings, train, plan, sharding.make_mesh()).state
    with checkpoint.Checkpoints(folder / "checkpoints") as checkpoints:
        checkpoints.save(state, {"step": 0, "videos": 0, "seed": 0})
    (folder / "config.json").write_text(config.to_json())
    run_labels.write(folder, run_labels.Labels(train.classes, train.aspects))
    (folder / "results.json").write_text("{}")
    (folder / "metrics.jsonl").write_text(
        "".join(json.dumps({"step": n, "accuracy/scene": n / 8}) + "\n" for n in (1, 2))
    )
    return folder


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With SMAD_NO_SKIPS set, a skipped test fails the run, unless it is optional."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("SMAD_NO_SKIPS") or reporter is None:
        return
    skipped = reporter.stats.get("skipped", [])
    if any("optional" not in report.keywords for report in skipped):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line("skipped tests count as failures here", red=True)
