import pytest

from smad_jax import writing


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
