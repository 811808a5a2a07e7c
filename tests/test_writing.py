import pathlib

import pytest

from smad_jax import errors, writing


def test_processes_write_apart(tmp_path):
    path = tmp_path / "labels.npy"
    assert writing.partial_path(path) != writing.partial_path(path)


def test_file_appears_whole_or_stays_as_it_was(tmp_path):
    path = tmp_path / "deep" / "a.json"
    writing.write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), writing.whole(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert list(path.parent.iterdir()) == [path]


def test_place_that_cannot_be_written_is_told_before_the_work(tmp_path):
    writing.check(tmp_path / "new" / "a.json")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").touch()
    for path, told in (
        (tmp_path / "file" / "a.json", "a folder is needed there"),
        (tmp_path / "new", "is a folder; name a file in it"),
        (pathlib.Path("/proc/none/a.json"), "cannot be written: No such file"),
    ):
        with pytest.raises(errors.UserError, match=told):
            writing.check(path)
