import sys

import pytest

from data_prep.labels import beam_labels, label_parts
from smad_jax import errors
from tests.data_prep.labels.test_label_parts import label


@pytest.mark.filterwarnings("ignore")  # Beam's own, of its dependencies
def test_a_runner_gives_the_same_labels_and_counts_them(job, tmp_path):
    pytest.importorskip("apache_beam")
    label(job, tmp_path / "here.tfrecord")
    for part in (1, 4):  # only these are to be done again
        job.report(part).unlink()
    counted = beam_labels.run(
        job,
        label_parts.undone(job),
        runner="DirectRunner",
        options=["--direct_running_mode=in_memory"],
    )
    assert counted == {"labelled": 14, "bad": 0}
    label_parts.gather(job, tmp_path / "there.tfrecord")
    here, there = (tmp_path / f"{name}.tfrecord" for name in ("here", "there"))
    assert here.read_bytes() == there.read_bytes()


def test_an_unknown_runner_is_refused(job):
    pytest.importorskip("apache_beam")
    with pytest.raises(errors.ConfigError, match="NoRunner"):
        beam_labels.run(job, [0], runner="NoRunner", options=[])


def test_a_runner_without_beam_is_refused_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(errors.ConfigError, match=r"install -r requirements-beam\.txt"):
        beam_labels.import_beam()
