"""What all tests share: four virtual devices, and the real videos where they are."""

import os
import pathlib

# Before JAX is imported: its device count cannot change afterwards.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
)

import pytest
from absl import flags


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
def small_data(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A data folder with a twentieth of the embedded benchmark's first draw."""
    from data_prep import embedded

    folder = tmp_path_factory.mktemp("datasets")
    embedded.prepare(folder, 0, scale=0.05, log=lambda line: None)
    return folder


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With SMAD_NO_SKIPS set, a skipped test fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("SMAD_NO_SKIPS") and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line("skipped tests count as failures here", red=True)
