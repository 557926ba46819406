"""Foreign pickles: what is data is read, whatever wants to run is refused by its name and does not run."""

from __future__ import annotations

import collections
import contextlib
import functools
import io
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
import types
from pathlib import Path

import numpy as np
import pytest

from hoitool.convert.unpickle import load_pickle
from hoitool.errors import DataError, MissingData


def written(folder: Path, content: bytes) -> Path:
    path = folder / "detections.pkl"
    path.write_bytes(content)
    return path


def loaded(folder: Path, value, protocol: int = 2):
    return load_pickle(written(folder, pickle.dumps(value, protocol)), "detections")


VALUES = [
    [{"image_id": 1, "person_box": [1.0, 2.0, 3.0, 4.0], "name": "é"}],
    [],
    {"a": (1, 2.5, None, True, b"bytes", float("inf")), "b": {1, 2}},
    [1 << 70, -3, "", "\x00"],
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", VALUES[:2] + VALUES[3:])
def test_plain_values_come_back_in_every_protocol(tmp_path, value, protocol):
    assert loaded(tmp_path, value, protocol) == value


def test_tuples_bytes_and_sets_of_protocol_4(tmp_path):
    assert loaded(tmp_path, VALUES[2], 4) == VALUES[2]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(4.0),
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.array([[True, False]]),
        np.array(3.5),
        np.empty((0, 4)),
        np.array([1, 2], ">i4"),
    ],
    ids=range(7),
)
def test_arrays_come_back_in_every_protocol(tmp_path, array, protocol):
    back = loaded(tmp_path, [array], protocol)[0]
    np.testing.assert_array_equal(back, array)
    assert back.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("number", [np.float32(0.1), np.float64(0.1), np.int64(-3), np.bool_(True)], ids=str)
def test_numpy_numbers_come_back_in_every_protocol(tmp_path, number, protocol):
    back = loaded(tmp_path, {"x": number}, protocol)["x"]
    assert back == number
    assert back.dtype == number.dtype


@pytest.mark.parametrize("core", ["numpy.core", "numpy._core"])
def test_arrays_of_either_numpy(tmp_path, core):
    content = pickle.dumps([np.arange(3.0), np.float32(2)], 2)
    other = "numpy._core" if b"numpy._core" in content else "numpy.core"
    back = load_pickle(written(tmp_path, content.replace(f"c{other}.".encode(), f"c{core}.".encode())), "x")
    assert back[0].tolist() == [0, 1, 2]
    assert back[1] == 2


def test_an_array_as_python_2_wrote_it(tmp_path):
    content = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x00cnumpy\nndarray\nq\x01K\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x10" + struct.pack("<2d", 1.5, -2) + b"tb."
    )
    assert load_pickle(written(tmp_path, content), "x").tolist() == [1.5, -2]


class Cache(dict):
    """A dict with defaults, as UPT and PViC write it."""

    def __missing__(self, key):
        return 0.0


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_a_dict_of_an_unknown_class_is_a_dict(tmp_path, protocol):
    module = types.ModuleType("utils_of_upt")
    Cache.__module__ = "utils_of_upt"
    module.Cache = Cache
    sys.modules["utils_of_upt"] = module
    try:
        content = pickle.dumps([Cache(image_id=3, hold_agent=0.5)], protocol)
    finally:
        del sys.modules["utils_of_upt"]
        Cache.__module__ = __name__
    (back,) = load_pickle(written(tmp_path, content), "x")
    assert back == {"image_id": 3, "hold_agent": 0.5}
    assert isinstance(back, dict)


def test_ordered_and_default_dicts_are_dicts(tmp_path):
    held = [collections.OrderedDict(a=1), collections.defaultdict(list, b=[2]), collections.defaultdict(None, c=3)]
    assert loaded(tmp_path, held) == [{"a": 1}, {"b": [2]}, {"c": 3}]


# what is refused


class Runs:
    """Pickles as a call of something."""

    def __init__(self, call, *arguments):
        self.called = (call, arguments)

    def __reduce__(self):
        return self.called


def marker(folder: Path) -> str:
    return str(folder / "executed")


ATTACKS = {
    "posix.system": lambda mark: Runs(os.system, f"touch {mark}"),
    "builtins.eval": lambda mark: Runs(eval, f"open({mark!r}, 'w')"),
    "builtins.exec": lambda mark: Runs(exec, f"open({mark!r}, 'w')"),
    "builtins.open": lambda mark: Runs(open, mark, "w"),
    "builtins.getattr": lambda mark: Runs(getattr, [], "append"),
    "subprocess.Popen": lambda mark: Runs(subprocess.Popen, ["touch", mark]),
    "functools.partial": lambda mark: Runs(functools.partial, os.system, f"touch {mark}"),
    "pathlib.PosixPath": lambda mark: Path(mark),
    "_io.FileIO": lambda mark: Runs(io.FileIO, mark, "w"),
    "builtins.bytearray": lambda mark: bytearray(b"x"),
}


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("name", ATTACKS)
def test_what_wants_to_run_is_refused_by_name_and_does_not_run(tmp_path, name, protocol):
    (tmp_path / "in").mkdir()
    path = written(tmp_path / "in", pickle.dumps([{"image_id": ATTACKS[name](marker(tmp_path))}], protocol))
    with pytest.raises(DataError) as caught:
        load_pickle(path, "detections")
    told = str(caught.value)
    assert name.rpartition(".")[2] in told or "posix.system" in told  # protocol 2 has the modules of Python 2
    assert "which is not loaded" in told
    assert "\n" not in told
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize(
    "name",
    [
        "os\nsystem",
        "__builtin__\neval",
        "builtins\n__import__",
        "torch\nFloatStorage",
        "torch._utils\n_rebuild_tensor_v2",
        "torch.storage\n_load_from_bytes",
        "numpy\nload",
        "numpy.core.multiarray\nfrombuffer",
        "numpy\nfromfile",
        "pickle\nloads",
        "copyreg\n__newobj__",
        "codecs\nencode",
        "sys\nexit",
        "ctypes\nCDLL",
    ],
)
def test_globals_are_refused_before_they_are_called(tmp_path, name):
    path = written(tmp_path, b"\x80\x02c" + name.encode() + b"\n(U\x04/etctR.")
    with pytest.raises(DataError, match=f"the pickle wants {name.replace(chr(10), '.')}, which is not loaded"):
        load_pickle(path, "x")


def test_attributes_of_what_is_allowed_are_refused(tmp_path):
    content = b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93."
    with pytest.raises(DataError, match=r"numpy\.ndarray\.dumps"):
        load_pickle(written(tmp_path, content), "x")
    content = b"\x80\x04\x8c\x07somelib\x8c\x10Cache.__init__.x\x93."
    with pytest.raises(DataError, match=r"somelib\.Cache"):
        load_pickle(written(tmp_path, content), "x")


@pytest.mark.parametrize(
    "rest",
    [
        b"(U\x01atR.",  # called with an argument
        b"U\x01a\x85\x81.",  # made with an argument
        b")\x81U\x01ab.",  # given a state that is none
        b")\x81N}U\x01aU\x01bs\x86b.",  # given a state of slots
    ],
)
def test_an_unknown_class_with_arguments_is_refused_by_name(tmp_path, rest):
    with pytest.raises(DataError, match=r"somelib\.Model"):
        load_pickle(written(tmp_path, b"\x80\x02csomelib\nModel\n" + rest), "x")


def test_an_unknown_class_with_attributes_is_the_dict_it_holds(tmp_path):
    content = b"\x80\x02csomelib\nCache\n)\x81U\x01aK\x01s}U\x07defaultK\x00sb."
    assert load_pickle(written(tmp_path, content), "x") == {"a": 1}


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02]q\x00(K\x01",
        b"\x80\x02",
        b"\x80\xff.",
        b"hello, this is no pickle\n",
        b"\x80\x02K\x01K\x02R.",
        b"\x80\x02U\xffabc.",
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.",  # a text of 2^63 bytes
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\x00\x00abc.",  # bytes of 2^48
        b"\x80\x02Pdisk\n.",  # a persistent id, as of torch
        b"\x80\x02h\x07.",  # a memo that is not there
    ],
    ids=range(10),
)
def test_a_truncated_or_broken_pickle_is_one_line_that_names_it(tmp_path, content):
    with pytest.raises(DataError, match=r"detections\.pkl: not readable as detections") as caught:
        load_pickle(written(tmp_path, content), "detections")
    assert "\n" not in str(caught.value)


DTYPE = b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
STATE = b"(K\x01%s" + DTYPE + b"\x89U\x08abcdefghtb."


@pytest.mark.parametrize(
    "shape",
    [
        b"J\x00\x00\x00\x7f\x85",  # says 2^31 numbers, brings one
        b"J\x00\x00\x00\x7fJ\x00\x00\x00\x7f\x86",
        b"J\xff\xff\xff\xff\x85",
        b"K\x00\x85",
    ],
    ids=range(4),
)
def test_an_array_that_says_it_is_larger_than_its_data_is_refused(tmp_path, shape):
    content = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nJ\x00\x00\x00\x7f\x85U\x01b\x87R"
    with pytest.raises(DataError, match=r"detections\.pkl"):
        load_pickle(written(tmp_path, content + STATE % shape), "x")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02cnumpy\nndarray\nJ\x00\x00\x00\x7f\x85\x85R.",  # an array made by its size
        b"\x80\x02cnumpy\nndarray\nJ\x00\x00\x00\x7f\x85\x85\x81.",
        b"\x80\x02cnumpy\ndtype\nU\x0eV2000000000,V99K\x00K\x01\x87R.",
    ],
    ids=range(3),
)
def test_memory_is_not_taken_for_what_a_pickle_only_says(tmp_path, content):
    tracemalloc.start()
    with contextlib.suppress(DataError):
        load_pickle(written(tmp_path, content), "x")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50_000_000


@pytest.mark.parametrize("array", [np.array([{}, None], object), np.array([(1, "x")], [("a", "i4"), ("b", "O")])])
def test_arrays_of_python_objects_bring_no_others_than_allowed(tmp_path, array):
    with pytest.raises(DataError, match=r"detections\.pkl"):
        loaded(tmp_path, [array])


def test_a_record_that_hides_objects_is_refused(tmp_path):
    """A dtype whose state says that it has fields, so that bytes would be taken for Python objects."""
    record = b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01|NU\x01a\x85}K\x08K\x01K\x00tb"
    content = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x01\x85"
    with pytest.raises(DataError, match="a NumPy array of records"):
        load_pickle(written(tmp_path, content + record + b"\x89U\x08abcdefghtb."), "x")


def test_a_deeply_nested_pickle_is_data_or_one_line(tmp_path):
    content = b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b"."
    assert isinstance(load_pickle(written(tmp_path, content), "x"), list)


def test_a_missing_and_an_empty_file(tmp_path):
    with pytest.raises(MissingData):
        load_pickle(tmp_path / "absent.pkl", "x")
    with pytest.raises(DataError, match="empty"):
        load_pickle(written(tmp_path, b""), "x")
