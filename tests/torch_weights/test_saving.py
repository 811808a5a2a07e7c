import zipfile

import numpy as np
import pytest

from smad_jax import errors
from smad_jax.torch_weights import files, saving


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


DTYPES = "float16 float32 float64 int64 int32 int16 int8 uint8 bool".split()


def arrays():
    rng = np.random.default_rng(0)
    named = {name: (3 * rng.normal(size=(3, 2))).astype(name) for name in DTYPES}
    named["scalar"] = np.array(7, np.int64)
    named["turned"] = np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)
    named["big_endian"] = np.arange(5).astype(">f4")
    named["empty"] = np.zeros((0, 4), np.float32)
    return named


@pytest.mark.parametrize("mapped", [False, True])
def test_torch_reads_what_is_written_with_weights_only(torch, mapped, tmp_path):
    path = tmp_path / "a.pth"
    meta = {"n": 300, "negative": -(2**40), "none": None, "yes": True, "t": (1, "ä")}
    saving.write_pth(path, {"meta": meta, "state_dict": arrays()})
    read = torch.load(path, weights_only=True, mmap=mapped)
    assert dict(read["meta"]) == meta
    assert list(read["state_dict"]) == list(arrays())
    for name, array in arrays().items():
        np.testing.assert_array_equal(read["state_dict"][name].numpy(), array)
        assert read["state_dict"][name].numpy().dtype == array.dtype.newbyteorder("=")


def test_our_own_reader_gives_back_what_was_written(tmp_path):
    saving.write_pth(tmp_path / "a.pth", {"state_dict": arrays()})
    saving.write_safetensors(tmp_path / "a.safetensors", arrays())
    for path in tmp_path.iterdir():
        read = files.read(path).tensors
        assert read.keys() == arrays().keys()
        for name, array in arrays().items():
            np.testing.assert_array_equal(read[name], array)
            assert read[name].dtype == array.dtype.newbyteorder("=")


def test_the_safetensors_package_reads_what_is_written(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    saving.write_safetensors(tmp_path / "a.safetensors", arrays())
    read = numpy.load_file(tmp_path / "a.safetensors")
    assert read.keys() == arrays().keys()
    for name, array in arrays().items():
        np.testing.assert_array_equal(read[name], array)


def test_the_same_arrays_give_the_same_aligned_bytes(tmp_path):
    one, two = tmp_path / "one.pth", tmp_path / "two.pth"
    for path in (one, two):
        saving.write_pth(path, arrays())
    assert one.read_bytes() == two.read_bytes()
    with zipfile.ZipFile(one) as archive:
        for member in archive.infolist():
            head = one.read_bytes()[member.header_offset :][:30]
            lengths = int.from_bytes(head[26:28], "little") + int.from_bytes(
                head[28:30], "little"
            )
            assert (member.header_offset + 30 + lengths) % 64 == 0


def test_what_pytorch_does_not_know_is_refused_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(b"old")
    with pytest.raises(errors.DataError, match="complex64"):
        saving.write_pth(path, {"a": np.ones(3, np.complex64)})
    with pytest.raises(TypeError, match="object"):
        saving.write_pth(path, {"a": object()})
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.pth"]
