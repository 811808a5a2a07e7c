import numpy as np
import pytest

from smad_jax import errors, reading


def test_arrays_are_read_as_they_were_written(tmp_path):
    np.savez(tmp_path / "a.npz", ids=["x", "y"])
    with reading.npz(tmp_path / "a.npz", "broken") as arrays:
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
            reading.npz(path, "broken") as arrays,
        ):
            arrays["ids"].sum()
    for missing in (tmp_path / "none.npz", tmp_path):
        with (
            pytest.raises(errors.DataError, match=r"^broken$"),
            reading.npz(missing, "broken"),
        ):
            pass


def test_array_that_is_not_there_and_an_error_of_ours(tmp_path):
    np.savez(tmp_path / "a.npz", ids=["x"])
    with (
        pytest.raises(errors.DataError, match=r"^broken$"),
        reading.npz(tmp_path / "a.npz", "broken") as arrays,
    ):
        arrays["labels"].sum()
    with (
        pytest.raises(errors.ConfigError, match=r"^ours$"),
        reading.npz(tmp_path / "a.npz", "broken"),
    ):
        raise errors.ConfigError("ours")


def test_line_that_is_not_utf_8_is_named(tmp_path):
    (tmp_path / "a.txt").write_bytes("\ufeffone\nzwei ü\n".encode())
    assert reading.text(tmp_path / "a.txt") == "one\nzwei ü\n"
    (tmp_path / "a.txt").write_bytes("one\nzwei ü\n".encode("latin-1"))
    with pytest.raises(errors.DataError, match="UTF-8, which line 2 is not"):
        reading.text(tmp_path / "a.txt")
