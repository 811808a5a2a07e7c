import copyreg
import io
import os
import pathlib
import pickle
import struct
import sys
import time
import types

import pytest

import smad_jax.torch_weights
from smad_jax import errors
from smad_jax.torch_weights import inert, pickles


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


MARKS = []


class Restored:
    """Leaves a mark when it is made and when its state is set."""

    def __reduce__(self):
        return Restored, (), {"state": 1}

    def __setstate__(self, state):
        MARKS.append(state)

    def __init__(self):
        MARKS.append("made")


def load(data, **settings):
    return pickles.load(io.BytesIO(data), **settings)


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_are_those_of_pickle(protocol):
    value = {
        "a": [1, -2, 2**40, -(2**70), 1.5, True, False, None],
        "b": (("x", "ä"), (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        3: {"c": {}, "d": []},
        "e": b"\x00\xff",
    }
    assert load(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", [2, 4])
def test_sets_become_lists_and_shared_parts_stay_shared(protocol):
    shared = ["s"]
    value = load(pickle.dumps([{7}, frozenset({8}), shared, shared], protocol))
    assert value == [[7], [8], ["s"], ["s"]]
    assert value[2] is value[3]


def test_reading_stops_behind_the_pickle():
    file = io.BytesIO(pickle.dumps("first", 2) + pickle.dumps("second", 2) + b"rest")
    assert pickles.load(file) == "first"
    assert pickles.load(file) == "second"
    assert file.read() == b"rest"


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    ("function", "name"),
    [
        (os.system, f"{os.name}.system"),
        (eval, "builtins.eval"),
        (exec, "builtins.exec"),
        (__import__, "builtins.__import__"),
        (open, "io.open"),
        (type, "builtins.type"),
    ],
)
def test_functions_are_refused_by_name_and_not_called(
    function, name, protocol, tmp_path
):
    mark = tmp_path / "mark"
    data = pickle.dumps([Call(function, f"touch {mark}")], protocol)
    with pytest.raises(errors.DataError, match=name):
        load(data)
    assert not mark.exists()


def test_setstate_of_a_class_is_never_called():
    data = pickle.dumps(Restored(), 2)
    MARKS.clear()
    with pytest.raises(errors.DataError, match="Restored"):
        load(data)
    assert load(data, foreign=["*.Restored"]).name.endswith("Restored")
    assert MARKS == []


def test_classes_stepped_over_stay_names_whatever_is_done_to_them(monkeypatch):
    module = types.ModuleType("mmengine.hub")
    monkeypatch.setitem(sys.modules, "mmengine", types.ModuleType("mmengine"))
    monkeypatch.setitem(sys.modules, "mmengine.hub", module)
    monkeypatch.setattr(Restored, "__module__", "mmengine.hub")
    monkeypatch.setattr(module, "Restored", Restored, raising=False)
    data = pickle.dumps({"hub": Restored(), "weights": 3}, 2)
    MARKS.clear()
    content = load(data)
    assert content == {"hub": inert.Opaque("mmengine.hub.Restored"), "weights": 3}
    assert MARKS == []


def test_what_an_opaque_call_returns_is_opaque_when_called_again():
    hub = b"cmmengine.hub\nget\n"
    called = b"\x80\x02" + hub + b"(" + text("os") + b"tR(" + text("system") + b"tR."
    assert load(called) == inert.Opaque("mmengine.hub.get")


def test_getattr_names_methods_of_foreign_classes_only():
    getter = b"c__builtin__\ngetattr\n"
    method = b"(cmmengine.hub\nHub\n" + text("mean") + b"tR."
    assert load(getter + method) == inert.Opaque("mmengine.hub.Hub.mean")
    for owner in (b"ccollections\nOrderedDict\n", text("text"), b"]"):
        with pytest.raises(errors.DataError, match=r"builtins\.getattr"):
            load(getter + b"(" + owner + text("__class__") + b"tR.")


@pytest.mark.parametrize(
    "name", ["numpy.testing._private.utils.runstring", "torch.hub.load", "os.path"]
)
def test_gadgets_of_known_packages_are_refused(name):
    module, _, function = name.rpartition(".")
    data = f"c{module}\n{function}\n(tR.".encode()
    with pytest.raises(errors.DataError, match=name):
        load(data)
    with pytest.raises(errors.DataError, match=name):
        load(text(module) + text(function) + b"\x93.")


@pytest.mark.parametrize(
    ("data", "instruction"),
    [
        (b"(" + text("id") + b"ios\nsystem\n.", "INST"),
        (b"(cmmengine.hub\nHub\n" + text("id") + b"o.", "OBJ"),
        (b"Psome id\n.", "PERSID"),
        (b"\x82\x07.", "EXT1"),
    ],
)
def test_instructions_that_no_checkpoint_needs_are_refused(data, instruction):
    with pytest.raises(errors.DataError, match=instruction):
        load(data)


def test_registered_extensions_are_not_looked_up():
    copyreg.add_extension("os", "system", 7)
    try:
        with pytest.raises(errors.DataError, match="EXT1"):
            load(b"\x82\x07(" + text("id") + b"tR.")
    finally:
        copyreg.remove_extension("os", "system", 7)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"N",
        b"(.",
        b"NN.",
        b"0.",
        b"h\x05.",
        b"]Nb.",
        b"N)R.",
        b"}" + b"NNs",
        b"}]Ns.",
        b"}((tNtNs.",
        b"(Nu.",
        b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00))tR.",
        b"ctorch\nFloatStorage\n)R.",
        b"ccollections\nOrderedDict\n(K\x01tR.",
        b"\xff.",
        b"X\xff\xff\xff\x7fabc.",
    ],
)
def test_damaged_pickles_are_errors(data):
    with pytest.raises(errors.DataError):
        load(data)


@pytest.mark.parametrize(
    "identity",
    [
        ("storage",),
        ("storage", "torch.FloatStorage", "0", "cpu", 4),
        ("module", "0", "1", "cpu", 4),
        4,
    ],
)
def test_persistent_ids_that_are_no_storage_are_errors(identity):
    with pytest.raises(errors.DataError, match="damaged"):
        load(pickle.dumps(identity, 2)[:-1] + b"Q.")


def test_deeply_nested_values_do_not_exhaust_the_stack():
    depth = 100_000
    assert isinstance(load(b"N" + b"\x85" * depth + b"."), tuple)


def test_values_that_double_with_every_line_take_no_time():
    doubling = b"".join(b"q\x01h\x01\x86" for _ in range(200))
    start = time.perf_counter()
    load(b"\x80\x02N" + doubling + b".")
    assert time.perf_counter() - start < 1


def test_building_a_long_value_again_and_again_is_refused():
    long = text("x" * 2**20) + b"q\x00"
    encode = b"c_codecs\nencode\nq\x01"
    calls = b"h\x01h\x00\x85R" * 100
    with pytest.raises(errors.DataError, match="again and again"):
        load(b"\x80\x02(" + long + encode + calls + b"t.")


def test_names_without_an_end_are_refused():
    with pytest.raises(errors.DataError, match="name"):
        load(b"cmmengine." + b"x" * 2000 + b"\nHub\n.")


def test_the_package_does_not_import_pickle():
    folder = pathlib.Path(smad_jax.torch_weights.__file__).parent
    for file in folder.glob("*.py"):
        lines = file.read_text("utf-8").splitlines()
        assert not {"import pickle", "import torch"} & {line.strip() for line in lines}
        assert "from pickle import" not in file.read_text("utf-8")


def huge_keys(number):
    """A dict of numbers that are all the same modulo 2^61 - 1, and so in hash."""
    keys = ((row + 1) * (2**61 - 1) for row in range(number))
    items = b"".join(
        b"\x8a" + bytes([10]) + k.to_bytes(10, "little") + b"N" for k in keys
    )
    return b"\x80\x02}(" + items + b"u."


def huge_places(number):
    places = (b"p%d\n" % ((row + 1) * (2**61 - 1)) for row in range(number))
    return b"N" + b"".join(places) + b"."


@pytest.mark.parametrize("make", [huge_keys, huge_places])
def test_numbers_of_one_hash_cannot_take_quadratic_time(make):
    start = time.monotonic()
    with pytest.raises(errors.DataError, match="huge number"):
        load(make(60_000))
    assert time.monotonic() - start < 5


def test_addresses_are_keys_as_old_optimisers_have_them():
    value = {140_234_567_891_234: 1, -3: 2, True: 3}
    assert load(pickle.dumps(value)) == value
