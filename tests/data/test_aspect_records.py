import numpy as np
import pytest

from smad_jax import errors
from smad_jax.data import aspect_records, records


def test_labels_come_back_as_float16_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(aspect_records, "_BLOCK", 2)
    values = np.random.default_rng(0).random((5, 11))
    ids = [f"video {'x' * i}" for i in range(5)]
    aspect_records.write(tmp_path, "scene", ids, values)
    found = aspect_records.read(tmp_path, "scene")
    assert found.ids == ids
    np.testing.assert_array_equal(found.values, values.astype(np.float16))
    blocks = aspect_records.AspectReader(tmp_path, "scene").blocks()
    assert [len(block) for block in blocks] == [2, 2, 1]


def test_aspect_without_videos_is_empty(tmp_path):
    aspect_records.write(tmp_path, "scene", [], np.zeros((0, 4)))
    assert len(aspect_records.read(tmp_path, "scene").ids) == 0


def test_rows_are_found_wherever_another_writer_put_them(tmp_path):
    row = np.arange(4, dtype="<f2").tobytes()
    with records.ShardWriter(tmp_path / "aspects/scene.tfrecord") as writer:
        writer.write("a", {"values": row})
        writer.write("b", {"values": row, "zone": b"behind it"})
        writer.write("c", {"values": row, "zvalues": bytes(8)})
    values = aspect_records.read(tmp_path, "scene").values
    assert values.tolist() == [[0, 1, 2, 3]] * 3


@pytest.mark.parametrize(
    "second",
    [{"values": b"ab"}, {"values": 3}, {"labels": b"a"}, {"zvalues": bytes(8)}],
)
def test_rows_that_do_not_fit_the_first_are_refused(tmp_path, second):
    with records.ShardWriter(tmp_path / "aspects/scene.tfrecord") as writer:
        writer.write("a", {"values": bytes(8)})
        writer.write("b", second)
    with pytest.raises(errors.DataError, match=r"'scene' .* rows of one length"):
        aspect_records.read(tmp_path, "scene")


def test_flipped_bit_names_file_and_record(tmp_path):
    path = aspect_records.write(tmp_path, "scene", ["a", "b"], np.ones((2, 4)))
    data = bytearray(path.read_bytes())
    data[-8] ^= 1
    path.write_bytes(data)
    with pytest.raises(errors.DataError, match=r"scene.tfrecord, record 1 \(id 'b'\)"):
        aspect_records.read(tmp_path, "scene")


@pytest.mark.parametrize(
    ("values", "text"),
    [(np.zeros((3, 4)), r"\[2, Z\]"), (np.array([[1.0], [np.nan]]), "finite.*'b'")],
)
def test_wrong_labels_are_refused(tmp_path, values, text):
    with pytest.raises(errors.DataError, match=text):
        aspect_records.write(tmp_path, "scene", ["a", "b"], values)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_stored_labels_that_are_not_finite_are_refused(tmp_path, value):
    rows = np.zeros((3, 4), "<f2")
    rows[2, 1] = value
    with records.ShardWriter(tmp_path / "aspects/scene.tfrecord") as writer:
        for id, row in zip("abc", rows, strict=True):
            writer.write(id, aspect_records.fields(row))
    with pytest.raises(errors.DataError, match=r"'scene' .* finite, those of 'c'"):
        aspect_records.read(tmp_path, "scene")
