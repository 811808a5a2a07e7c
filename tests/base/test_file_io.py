import pathlib
import zipfile

import numpy as np
import pytest

from smad_jax import errors
from smad_jax.base import file_io


def test_processes_write_apart(tmp_path):
    path = tmp_path / "labels.npy"
    assert file_io.partial_path(path) != file_io.partial_path(path)


def test_file_appears_whole_or_stays_as_it_was(tmp_path):
    path = tmp_path / "deep" / "a.json"
    file_io.write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), file_io.whole(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert list(path.parent.iterdir()) == [path]


def test_place_that_cannot_be_written_is_told_before_the_work(tmp_path):
    file_io.check(tmp_path / "new" / "a.json")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").touch()
    for path, told in (
        (tmp_path / "file" / "a.json", "a folder is needed there"),
        (tmp_path / "new", "is a folder; name a file in it"),
        (pathlib.Path("/proc/none/a.json"), "cannot be written: No such file"),
    ):
        with pytest.raises(errors.UserError, match=told):
            file_io.check(path)


def test_arrays_are_read_as_they_were_written(tmp_path):
    np.savez(tmp_path / "a.npz", ids=["x", "y"])
    with file_io.npz(tmp_path / "a.npz", "broken") as arrays:
        assert arrays["ids"].tolist() == ["x", "y"]


def test_whatever_is_wrong_with_an_archive_is_one_message(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, ids=np.arange(5000))
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[100:900] = b"\x00" * 800
    np.save(tmp_path / "b.npy", np.arange(3))
    contents = [b"", b"text", whole[:200], bytes(damaged)]
    for content in [*contents, (tmp_path / "b.npy").read_bytes()]:
        path.write_bytes(content)
        with (
            pytest.raises(errors.DataError, match=r"^broken$"),
            file_io.npz(path, "broken") as arrays,
        ):
            arrays["ids"].sum()
    for missing in (tmp_path / "none.npz", tmp_path):
        with (
            pytest.raises(errors.DataError, match=r"^broken$"),
            file_io.npz(missing, "broken"),
        ):
            pass


def test_array_that_is_not_there_and_an_error_of_ours(tmp_path):
    np.savez(tmp_path / "a.npz", ids=["x"])
    with (
        pytest.raises(errors.DataError, match=r"^broken$"),
        file_io.npz(tmp_path / "a.npz", "broken") as arrays,
    ):
        arrays["labels"].sum()
    with (
        pytest.raises(errors.ConfigError, match=r"^ours$"),
        file_io.npz(tmp_path / "a.npz", "broken"),
    ):
        raise errors.ConfigError("ours")


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+1", "'+1"),
        ("\t=1", "'\t=1"),
        ("-2+cmd|' /C calc'!A0", "'-2+cmd|' /C calc'!A0"),
        ("-0aBc.mp4", "-0aBc.mp4"),  # an id of YouTube's
        ("a=b.mp4", "a=b.mp4"),
        (-1.5, -1.5),
    ],
)
def test_cell_is_never_a_formula(cell, shown):
    assert file_io.cell(cell) == shown


def test_whatever_is_wrong_with_json_names_file_and_advice(tmp_path):
    path = tmp_path / "a.json"
    for content in (b"", b"{", b"[1]", b"\xff\xfe{", b"[" * 100_000, b'{"a": NaN'):
        path.write_bytes(content)
        with pytest.raises(errors.DataError, match=r"a.json is damaged .*; make it"):
            file_io.read_json(path, "make it again")
    path.unlink()
    with pytest.raises(errors.DataError, match=r"a.json is missing; make it again"):
        file_io.read_json(path, "make it again")
    path.write_text('{"a": 1}')
    with (
        pytest.raises(errors.DataError, match=r"damaged .*\(it lacks 'b'\); make it"),
        file_io.reading(path, "make it again"),
    ):
        file_io.read_json(path, "make it again")["b"]


def test_archive_that_states_too_many_elements_is_an_error(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        text = (
            "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }"
        )
        head = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
        archive.writestr("ids.npy", head + text.ljust(117).encode() + b"\n" + bytes(24))
    with (
        pytest.raises(errors.DataError, match=r"^broken$"),
        file_io.npz(path, "broken") as arrays,
    ):
        arrays["ids"].sum()


def test_link_to_a_folder_above_leads_nowhere_new(tmp_path):
    inner = tmp_path / "all" / "3"
    inner.mkdir(parents=True)
    for path in (tmp_path / "all" / "a.txt", inner / "b.txt"):
        path.touch()
    (inner / "loop").symlink_to(tmp_path / "all")
    assert list(file_io.files_below(inner)) == [inner / "b.txt"]
