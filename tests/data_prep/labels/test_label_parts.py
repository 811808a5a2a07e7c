import dataclasses
import shutil

import numpy as np
import pytest

from data_prep.labels import label_parts, network_labels
from smad_jax import errors
from smad_jax.data import records
from tests.data_prep.labels.test_network_labels import colours

V = 36


def label(job, path):
    for _ in label_parts.run(job, label_parts.undone(job), num_workers=1):
        pass
    return label_parts.gather(job, path)


def test_parts_are_gathered_in_the_order_of_the_records(job, tmp_path):
    assert (job.num_parts, job.positions(5)) == (6, range(35, 36))
    reports = label(job, tmp_path / "scene.tfrecord")
    ids = records.RecordReader(job.folder, "videos").ids
    reader = records.RecordReader(tmp_path, "scene")
    # the record of the broken video comes last
    assert reader.ids == [id for id in ids if id != "clip 35"]
    [bad] = [bad for report in reports for bad in report.bad]
    assert bad[:2] == ("clip 35", "truncated")
    assert label_parts.count_reasons(reports) == {"truncated": 1}
    videos = records.RecordReader(job.folder, "videos")
    for position in (0, 20):
        seen = network_labels.look_at(videos, position, 3).frames
        expected = np.average(colours(seen.pixels), axis=0, weights=seen.weights)
        row = np.frombuffer(reader[position]["values"], "<f2")
        np.testing.assert_allclose(row, expected, atol=1e-3)


def test_the_cut_into_parts_and_batches_does_not_change_a_byte(job, tmp_path):
    label(job, tmp_path / "one.tfrecord")
    (job.folder / "others").mkdir()
    other = dataclasses.replace(
        job, parts=job.folder / "others", part_size=11, batch_size=5, num_threads=3
    )
    label(other, tmp_path / "two.tfrecord")
    one, two = (tmp_path / f"{name}.tfrecord" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_a_stopped_job_resumes_with_the_missing_parts(
    job, calls, tmp_path, monkeypatch
):
    label(job, tmp_path / "whole.tfrecord")
    whole, batches = (tmp_path / "whole.tfrecord").read_bytes(), len(calls)
    shutil.rmtree(job.parts)
    job.parts.mkdir()

    def stop(*_):
        raise KeyboardInterrupt

    parts = label_parts.run(job, label_parts.undone(job), num_workers=1)
    assert [next(parts).part, next(parts).part] == [0, 1]
    with monkeypatch.context() as patched:
        patched.setattr(network_labels, "load_network", lambda *_: stop)
        with pytest.raises(KeyboardInterrupt):
            next(parts)
    assert label_parts.undone(job) == [2, 3, 4, 5]
    assert sorted(path.name for path in job.parts.glob("*.tfrecord")) == [
        "part-00000.tfrecord",
        "part-00001.tfrecord",
    ]
    calls.clear()
    label(job, tmp_path / "again.tfrecord")
    assert (tmp_path / "again.tfrecord").read_bytes() == whole
    assert len(calls) < batches
    calls.clear()
    label(job, tmp_path / "again.tfrecord")
    assert not calls


def test_a_damaged_record_costs_its_video_only(job, tmp_path):
    path = job.folder / "videos-00000-of-00002.tfrecord"
    content = bytearray(path.read_bytes())
    content[-50] ^= 1  # in the last record of this shard
    path.write_bytes(content)
    reports = label(job, tmp_path / "scene.tfrecord")
    assert label_parts.count_reasons(reports) == {"truncated": 1, "damaged_record": 1}
    file = tmp_path / "bad.jsonl"
    label_parts.write_bad(file, reports)
    assert [line[:16] for line in file.read_text().splitlines()] == [
        '{"id": "clip 34"',
        '{"id": "clip 35"',
    ]
    label_parts.write_bad(file, reports[:1])
    assert not file.exists()


def test_a_data_set_without_one_good_video_is_an_error(job, tmp_path, monkeypatch):
    bad = network_labels.Looked("a", None, "timeout", "", 0.0)
    monkeypatch.setattr(network_labels, "look_at", lambda *_: bad)
    with pytest.raises(errors.DataError, match="can be labelled: timeout 36"):
        label(job, tmp_path / "scene.tfrecord")
    assert not (tmp_path / "scene.tfrecord").exists()


def test_parts_of_other_work_are_not_taken_for_this(tmp_path):
    def folder(**changed):
        return label_parts.parts_folder(
            tmp_path, "scene", {"a": 1, "b": "x", **changed}
        )

    assert folder() == folder()
    assert len({folder(), folder(a=2), folder(b="y")}) == 3
    assert label_parts.digest(["a", "bc"]) != label_parts.digest(["ab", "c"])
