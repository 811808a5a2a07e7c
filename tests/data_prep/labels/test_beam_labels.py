import shutil
import sys

import numpy as np
import pytest
from flax import nnx

from data_prep.labels import beam_labels, label_parts
from smad_jax import errors, models
from smad_jax.torch_weights import networks, weights
from smad_jax.training import train_state
from tests.data_prep.labels.test_label_parts import label


@pytest.mark.filterwarnings("ignore")  # Beam's own, of its dependencies
def test_a_runner_gives_the_same_labels_and_counts_them(job, tmp_path):
    pytest.importorskip("apache_beam")
    label(job, tmp_path / "here.tfrecord")
    for part in (1, 4):  # only these are to be done again
        job.report(part).unlink()
    reports = beam_labels.run(
        job,
        label_parts.undone(job),
        runner="DirectRunner",
        options=["--direct_running_mode=in_memory"],
    )
    assert [report.part for report in reports] == [1, 4]
    assert [report.num_labelled for report in reports] == [7, 7]
    label_parts.gather(job, tmp_path / "there.tfrecord")
    here, there = (tmp_path / f"{name}.tfrecord" for name in ("here", "there"))
    assert here.read_bytes() == there.read_bytes()


@pytest.fixture
def real_job(data_root, tmp_path):
    """A job for workers in other processes, where no network can be replaced."""
    model = models.build_model("resnet18", 5, rngs=nnx.Rngs(0))
    arrays = networks.flatten(*train_state.split(model)[1:])
    weights.save_weights(
        tmp_path / "weights",
        {path: np.asarray(array) for path, array in arrays.items()},
        weights.Manifest(networks.Network("resnet18", 5)),
    )
    folder = data_root / "tiny"
    (folder / "parts").mkdir()
    return label_parts.Job(
        folder=folder,
        weights=tmp_path / "weights",
        labeller="resnet18",
        parts=folder / "parts",
        num_videos=36,
        part_size=7,
        num_frames=1,
        batch_size=8,
        num_threads=1,
    )


@pytest.mark.filterwarnings("ignore")
def test_two_dask_workers_give_the_same_labels(real_job, tmp_path):
    distributed = pytest.importorskip("distributed")
    label(real_job, tmp_path / "here.tfrecord")
    shutil.rmtree(real_job.parts)
    real_job.parts.mkdir()
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        reports = beam_labels.run(
            real_job,
            range(real_job.num_parts),
            runner="DaskRunner",
            options=[f"--dask_client_address={cluster.scheduler_address}"],
        )
        distributed.default_client().close()  # Beam leaves it open
    assert [len(report.bad) for report in reports] == [0, 0, 0, 0, 0, 1]
    label_parts.gather(real_job, tmp_path / "there.tfrecord")
    here, there = (tmp_path / f"{name}.tfrecord" for name in ("here", "there"))
    assert here.read_bytes() == there.read_bytes()


def test_parts_that_workers_wrote_elsewhere_are_missed(job, monkeypatch):
    pytest.importorskip("apache_beam")
    monkeypatch.setattr(label_parts, "label_part", lambda job, part: part)
    with pytest.raises(errors.DataError, match=r"2 of 2 parts are not in .*parts; eve"):
        options = ["--direct_running_mode=in_memory"]
        beam_labels.run(job, [0, 3], runner="DirectRunner", options=options)


def test_an_unknown_runner_is_refused(job):
    pytest.importorskip("apache_beam")
    with pytest.raises(errors.ConfigError, match="NoRunner"):
        beam_labels.run(job, [0], runner="NoRunner", options=[])


def test_a_runner_without_beam_is_refused_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(errors.ConfigError, match=r"install -r requirements-beam\.txt"):
        beam_labels.import_beam()
