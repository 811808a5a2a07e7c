import io
import json
import pickle
import pickletools
import struct
import sys
import types
import zipfile

import numpy as np
import pytest

from smad_jax import errors
from smad_jax.torch_weights import files, saving
from tests.helpers import efficientnet_file


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


FORMATS = {"zip": True, "legacy": False}


def save(torch, content, path, form):
    torch.save(content, path, _use_new_zipfile_serialization=FORMATS[form])
    return path


def state(torch):
    """Tensors that are contiguous, strided, shared, offset, empty and scalar."""
    generator = torch.Generator().manual_seed(3)
    whole = torch.randn(5, 7, 3, generator=generator)
    return {
        "layer.weight": whole,
        "layer.part": whole[1:3, ::2],
        "layer.turned": whole.permute(2, 0, 1),
        "layer.channels_last": torch.randn(2, 3, 4, 5, generator=generator).to(
            memory_format=torch.channels_last
        ),
        "layer.count": torch.tensor(11),
        "layer.empty": torch.zeros(0, 4),
    }


def assert_same(torch, found, expected):
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        wide = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
        np.testing.assert_array_equal(found[name], wide.detach().numpy(), name)
        assert found[name].dtype == wide.detach().numpy().dtype, name


@pytest.mark.parametrize("form", FORMATS)
def test_every_tensor_is_what_torch_load_gives(torch, form, tmp_path):
    path = save(torch, state(torch), tmp_path / "a.pth", form)
    read = files.read(path)
    assert read.format == form
    assert read.prefix == ""
    assert_same(torch, read.tensors, torch.load(path, weights_only=True))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "dtype",
    "float16 bfloat16 float32 float64 int64 int32 int16 int8 uint8 bool".split(),
)
def test_every_dtype_is_read_and_bfloat16_widened_exactly(torch, form, dtype, tmp_path):
    values = torch.arange(-6, 6).reshape(4, 3)
    values = values * 1.37 if "float" in dtype else values
    content = {"w": values.to(getattr(torch, dtype))}
    path = save(torch, content, tmp_path / "a.pth", form)
    assert_same(torch, files.read(path).tensors, content)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_the_state_dict_is_found_in_a_training_checkpoint(torch, form, key, tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    model(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    content = {key: model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    path = save(torch, content, tmp_path / "a.pth", form)
    assert_same(torch, files.read(path).tensors, model.state_dict())


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("prefix", ["module.", "module._orig_mod.", ""])
def test_prefixes_of_wrappers_are_taken_off(torch, form, prefix, tmp_path):
    named = {prefix + name: tensor for name, tensor in state(torch).items()}
    read = files.read(save(torch, {"state_dict": named}, tmp_path / "a.pth", form))
    assert read.prefix == prefix
    assert_same(torch, read.tensors, state(torch))


@pytest.mark.parametrize("form", FORMATS)
def test_a_prefix_that_not_all_names_have_stays(torch, form, tmp_path):
    named = {"module.a": torch.ones(2), "b": torch.ones(3)}
    read = files.read(save(torch, named, tmp_path / "a.pth", form))
    assert set(read.tensors) == {"module.a", "b"}


@pytest.mark.parametrize("form", FORMATS)
def test_parameters_and_tensors_with_attributes_are_read(torch, form, tmp_path):
    weight = torch.nn.Parameter(torch.randn(3, 2))
    marked = torch.nn.Parameter(torch.randn(2))
    marked.is_bias = True
    content = {"weight": weight, "bias": marked}
    read = files.read(save(torch, content, tmp_path / "a.pth", form))
    assert_same(torch, read.tensors, content)


class HistoryBuffer:
    """Like mmengine's: keeps arrays, and functions of its own class."""

    def __init__(self, torch):
        self.history = np.arange(5.0)
        self.latest = np.float64(3.5)
        self.device = torch.device("cpu")
        self.tensor = torch.ones(6, dtype=torch.float64)
        self.methods = {"mean": HistoryBuffer.mean}

    def mean(self):
        return self.history.mean()

    def __setstate__(self, state):
        raise AssertionError("a class of a checkpoint was brought to life")


@pytest.mark.parametrize("form", FORMATS)
def test_foreign_classes_of_mmengine_are_stepped_over(
    torch, form, tmp_path, monkeypatch
):
    name = "mmengine.logging.history_buffer"
    module = types.ModuleType(name)
    for part in ("mmengine", "mmengine.logging", name):
        monkeypatch.setitem(sys.modules, part, module)
    monkeypatch.setattr(HistoryBuffer, "__module__", name)
    monkeypatch.setattr(module, "HistoryBuffer", HistoryBuffer, raising=False)
    hub = {"log_scalars": {"loss": HistoryBuffer(torch)}, "resumed_keys": {"lr"}}
    content = {
        "meta": {"epoch": 2, "seed": np.int64(5)},
        "state_dict": state(torch),
        "message_hub": hub,
    }
    path = save(torch, content, tmp_path / "a.pth", form)
    monkeypatch.undo()
    assert_same(torch, files.read(path).tensors, state(torch))


class Trainer:
    pass


@pytest.mark.parametrize("form", FORMATS)
def test_other_foreign_classes_are_refused_by_name_unless_named(torch, form, tmp_path):
    content = {"state_dict": state(torch), "trainer": Trainer()}
    path = save(torch, content, tmp_path / "a.pth", form)
    with pytest.raises(errors.DataError, match=r"a\.pth.*asks for .*Trainer"):
        files.read(path)
    assert_same(torch, files.read(path, foreign=["*.Trainer"]).tensors, state(torch))


@pytest.mark.parametrize("form", FORMATS)
def test_a_whole_pickled_module_is_refused_by_name(torch, form, tmp_path):
    path = save(torch, torch.nn.Linear(3, 2), tmp_path / "a.pth", form)
    with pytest.raises(errors.DataError, match=r"torch\.nn\.modules\.linear\.Linear"):
        files.read(path)
    with pytest.raises(errors.DataError, match=r"save the state_dict"):
        files.read(path, foreign=["torch.nn.*", "torch._C.*"])


def as_python_2(data):
    """Spells the text of a legacy file as Python 2 did: bytes without encoding."""
    out, file = io.BytesIO(), io.BytesIO(data)
    for _ in range(5):
        start = file.tell()
        spans = [(o, a, p) for o, a, p in pickletools.genops(file)]
        end = file.tell()
        edges = [start + p - spans[0][2] for _, _, p in spans] + [end]
        for (opcode, argument, _), left, right in zip(
            spans, edges, edges[1:], strict=False
        ):
            if opcode.name == "BINUNICODE":
                raw = argument.encode("latin1")
                out.write(b"U" + bytes([len(raw)]) + raw)
            else:
                out.write(data[left:right])
    return out.getvalue() + file.read()


def test_a_pickle_of_python_2_reads_as_with_latin1(torch, tmp_path):
    named = {f"module.{name}": tensor for name, tensor in state(torch).items()}
    named["module.caf\xe9.weight"] = torch.ones(2, 9)
    content = {"state_dict": named, "arch": "resnet18"}
    path = save(torch, content, tmp_path / "a.pth", "legacy")
    path.write_bytes(as_python_2(path.read_bytes()))
    assert b"U\nstate_dict" in path.read_bytes()
    reference = torch.load(path, encoding="latin1", weights_only=False)["state_dict"]
    plain = {name.removeprefix("module."): t for name, t in reference.items()}
    assert_same(torch, files.read(path).tensors, plain)


def test_the_packaged_efficientnet_reads_bit_for_bit(torch):
    path = efficientnet_file.path()
    read = files.read(path)
    assert read.format == "legacy"
    assert len(read.tensors) == 296
    assert_same(torch, read.tensors, torch.load(path, weights_only=True))


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32", "I64", "BOOL"])
def test_safetensors_are_read_as_the_format_says(dtype, tmp_path):
    bits = {"F16": "<f2", "BF16": "<u2", "F32": "<f4", "I64": "<i8", "BOOL": "?"}
    values = np.arange(6).astype(bits[dtype]).reshape(2, 3)
    entry = {"dtype": dtype, "shape": [2, 3], "data_offsets": [0, values.nbytes]}
    header = json.dumps({"__metadata__": {"format": "pt"}, "a.weight": entry}).encode()
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + values.tobytes())
    read = files.read(path)
    assert read.format == "safetensors"
    if dtype == "BF16":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_array_equal(read.tensors["a.weight"], values)


def test_safetensors_of_the_package_are_read(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    arrays = {"b": np.arange(12.0).reshape(3, 4), "a": np.float16([[1.5], [2]])}
    numpy.save_file(arrays, tmp_path / "a.safetensors")
    read = files.read(tmp_path / "a.safetensors").tensors
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)


@pytest.mark.parametrize(
    "header",
    [
        b"{",
        b"[]",
        b'{"a": 3}',
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 12]}}',
        b'{"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}',
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}}',
        b'{"a": {"dtype": "F4", "shape": [2], "data_offsets": [0, 8]}}',
        b'{"a": {"dtype": "U8", "shape": [], "data_offsets": [0, 1]}, "a": {}}',
        b"[" * 100_000,
    ],
)
def test_damaged_safetensors_are_errors(header, tmp_path):
    path = tmp_path / "a.safetensors"
    start = struct.pack("<Q", len(header))
    path.write_bytes(start + b"{" * (not header.startswith(b"{")) + header + bytes(16))
    with pytest.raises(errors.DataError, match=r"a\.safetensors"):
        files.read(path)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("left", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_truncated_files_are_errors(torch, form, left, tmp_path):
    path = save(torch, state(torch), tmp_path / "a.pth", form)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * left)])
    with pytest.raises(errors.DataError, match=r"a\.pth"):
        files.read(path)


@pytest.mark.parametrize("form", FORMATS)
def test_random_damage_is_an_error_or_harmless(torch, form, tmp_path):
    path = save(torch, {"state_dict": {"a.w": torch.ones(3)}}, tmp_path / "a.pth", form)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(500):
        damaged = np.frombuffer(data, np.uint8).copy()
        places = rng.integers(len(data), size=rng.integers(1, 6))
        damaged[places] = rng.integers(256, size=len(places))
        path.write_bytes(damaged.tobytes())
        try:
            files.read(path)
        except errors.DataError:
            refused += 1
    assert refused > 200


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "neither"),
        (b"\x89PNG\r\n\x1a\n and so on", "neither"),
        (pickle.dumps({"a": 1}), "not one that torch.save wrote"),
        (b"PK\x03\x04 and so on", "damaged"),
    ],
)
def test_other_files_are_refused_with_the_reason(data, message, tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(data)
    with pytest.raises(errors.DataError, match=message):
        files.read(path)
    with pytest.raises(errors.DataError, match="no checkpoint at"):
        files.read(tmp_path / "b.pth")


@pytest.mark.parametrize(
    "content",
    [{}, {"a": 3}, {"state_dict": {"a": "text"}}, [1], {"w\x1b[31m": np.ones(2)}],
)
def test_files_without_a_proper_state_dict_are_errors(content, tmp_path):
    path = tmp_path / "a.pth"
    content = tuple(content) if isinstance(content, list) else content
    saving.write_pth(path, content)
    with pytest.raises(errors.DataError, match=r"a\.pth: .*(tensors|state dict)"):
        files.read(path)


def tensor(size, offset, shape, strides, key="0"):
    """The pickle of a state dict of one float32 tensor; numbers go in as they are."""

    def text(value):
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    def number(value):
        data = value.to_bytes(9, "little", signed=True)
        return b"\x8a\x09" + data

    def numbers(values):
        return b"(" + b"".join(map(number, values)) + b"t"

    identity = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key)
    identity += text("cpu") + number(size) + b"tQ"
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n(" + identity + number(offset)
    rebuild += numbers(shape) + numbers(strides) + b"\x89Nt"
    return b"\x80\x02}" + text("w") + rebuild + b"Rs."


def archive(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as out:
        for name, data in members:
            out.writestr(name, data)
    return path


@pytest.mark.parametrize(
    "claim",
    [
        (6, 1, (2, 3), (3, 1)),
        (6, 0, (7,), (1,)),
        (6, 0, (2,), (6,)),
        (6, -1, (2,), (1,)),
        (6, 0, (-2,), (1,)),
        (6, 5, (2,), (-1,)),
        (600, 0, (600,), (1,)),
        (2**62, 0, (2**62,), (1,)),
        (6, 0, (10**6, 10**6), (0, 0)),
        (6, 0, (2**40, 0), (1, 1)),
        (6, 0, (2, 3), (3,)),
        (6, 0, (1,) * 9, (1,) * 9),
    ],
)
def test_tensors_beyond_their_storage_are_errors(claim, tmp_path):
    numbers = np.arange(6, dtype="<f4").tobytes()
    members = [("a/data.pkl", tensor(*claim)), ("a/data/0", numbers)]
    path = archive(tmp_path / "a.pth", members)
    if claim[2] == (2**40, 0):  # empty, and so harmless
        assert files.read(path).tensors["w"].size == 0
        return
    with pytest.raises(errors.DataError, match=r"a\.pth"):
        files.read(path)


@pytest.mark.parametrize("key", ["1", "../secret", "/etc/passwd", "0/", ""])
def test_storages_that_are_not_in_the_archive_are_errors(key, tmp_path):
    members = [
        ("a/data.pkl", tensor(6, 0, (6,), (1,), key)),
        ("a/data/0", bytes(24)),
        ("secret", bytes(24)),
    ]
    with pytest.raises(errors.DataError, match="incomplete"):
        files.read(archive(tmp_path / "a.pth", members))


def test_reading_writes_nothing_wherever_members_point(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    members = [
        ("a/data.pkl", tensor(6, 0, (6,), (1,))),
        ("a/data/0", bytes(24)),
        ("../outside", b"x"),
    ]
    path = archive(inner / "a.pth", members)
    assert files.read(path).tensors["w"].shape == (6,)
    assert [entry.name for entry in tmp_path.rglob("*")] == ["inner", "a.pth"]


def test_compressed_archives_are_refused_unread(tmp_path):
    bomb = [
        ("a/data.pkl", tensor(2**24, 0, (2**24,), (1,))),
        ("a/data/0", bytes(2**26)),
    ]
    path = archive(tmp_path / "a.pth", bomb, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**18
    with pytest.raises(errors.DataError, match="compressed"):
        files.read(path)


def test_archives_that_name_a_member_twice_are_refused(tmp_path):
    members = [("a/data.pkl", tensor(1, 0, (1,), (1,)))]
    with pytest.warns(UserWarning, match="Duplicate"):
        archive(tmp_path / "a.pth", members * 2)
    with pytest.raises(errors.DataError, match="twice"):
        files.read(tmp_path / "a.pth")


def test_members_that_claim_more_than_the_file_are_refused(tmp_path):
    members = [("a/data.pkl", tensor(6, 0, (6,), (1,))), ("a/data/0", bytes(24))]
    path = archive(tmp_path / "a.pth", members)
    size = struct.pack("<I", 24)
    path.write_bytes(path.read_bytes().replace(size, struct.pack("<I", 2**30)))
    with pytest.raises(errors.DataError, match="more bytes than the file"):
        files.read(path)


def test_flipped_bits_of_an_archive_are_found(tmp_path):
    members = [("a/data.pkl", tensor(6, 0, (6,), (1,))), ("a/data/0", b"\x07" * 24)]
    path = archive(tmp_path / "a.pth", members)
    path.write_bytes(path.read_bytes().replace(b"\x07" * 24, b"\x07" * 23 + b"\x06"))
    with pytest.raises(errors.DataError, match="damaged"):
        files.read(path)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a/code.py", b"x")], "without a pickle"),
        ([("a/data.pkl", b"N."), ("a/constants.pkl", b"N.")], "TorchScript"),
        ([("a/data.pkl", b"N."), ("a/byteorder", b"big")], "big-endian"),
        ([("a/data.pkl", b"N."), ("b/data.pkl", b"N.")], "without a pickle"),
    ],
)
def test_other_archives_are_refused_with_the_reason(members, message, tmp_path):
    with pytest.raises(errors.DataError, match=message):
        files.read(archive(tmp_path / "a.pth", members))


def test_one_storage_named_by_thousands_of_tensors_is_refused(torch, tmp_path):
    whole = torch.ones(2**16)
    content = {f"w{number}": whole for number in range(300)}
    path = save(torch, content, tmp_path / "a.pth", "zip")
    with pytest.raises(errors.DataError, match="overlap"):
        files.read(path)
