"""What Python prints of plain values comes back as them; nothing in a file is run, whatever it says."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoitool.convert.literals import load_literal, parse_python
from hoitool.errors import DataError, MissingData

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def same(a, b):
    return repr(a) == repr(b)  # NaN too


@settings(deadline=None)
@given(value=PLAIN)
def test_what_python_prints_of_plain_values_comes_back(value):
    assert same(parse_python(repr(value), "x"), value)


@settings(max_examples=25, deadline=None)
@given(value=st.lists(st.dictionaries(st.text(), PLAIN), max_size=3))
def test_each_way_of_writing_it_into_a_file(value, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "literals.json"
    for text in (json.dumps(value), json.dumps(json.dumps(value)), json.dumps(repr(value))):
        path.write_text(text, encoding="utf-8")
        assert same(load_literal(path, "x"), value), text


@pytest.mark.parametrize("text", ["[{'a': 1, 'b': None}]", " [ {'a': 1, 'b': None} ]", "[{'a': 1, \"b\": None}]"])
def test_a_file_of_what_python_prints(text, tmp_path):
    (tmp_path / "x.json").write_text(text)
    assert load_literal(tmp_path / "x.json", "x") == [{"a": 1, "b": None}]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[np.float32(0.5), np.int64(3), np.float32(1e-05)]", [0.5, 3, 1e-05]),
        ("{'a': np.float32(0.5), 'b (c)': np.int64(3)}", {"a": 0.5, "b (c)": 3}),
        ("['np.float32(1)', np.float32(1.0)]", ["np.float32(1)", 1.0]),
        ("[numpy.float64(-inf), np.float32(nan)]", [-math.inf, math.nan]),
        ("{'bbox': array([1., 2.5, -3., nan], dtype=float32)}", {"bbox": [1.0, 2.5, -3.0, math.nan]}),
        ("array([[1, 2],\n       [3, 4]])", [[1, 2], [3, 4]]),
        ("(1, (2, 3))", [1, [2, 3]]),
        ('["it\'s", \'a "b"\']', ["it's", 'a "b"']),
        (
            r"['\\', '\n', '\x85', '\U0001f600', 'nan', 'array(1)']",
            ["\\", "\n", "\x85", "\U0001f600", "nan", "array(1)"],
        ),
    ],
)
def test_what_numpy_prints(text, value):
    assert same(parse_python(text, "x"), value)


def test_numpy_prints_what_is_read():
    """With the NumPy installed here, in its present and in its former spelling."""
    value = {"bbox": list(np.array([1.5, 2, 3, 1e-7], np.float32)), "id": np.int64(3), "box": np.arange(4.0)}
    plain = {"bbox": [float(v) for v in value["bbox"]], "id": 3, "box": [0.0, 1.0, 2.0, 3.0]}
    for legacy in (False, "1.25"):
        with np.printoptions(legacy=legacy):
            read = parse_python(str(value), "x")
        assert {"bbox": [float(np.float32(v)) for v in read["bbox"]], "id": read["id"], "box": read["box"]} == plain


@pytest.mark.parametrize(
    "hostile",
    [
        "__import__('os').system('touch ran')",
        "[__import__('os').system('touch ran')]",
        "open('ran', 'w')",
        "[{'a': open('ran', 'w')}]",
        "[x for x in [1]]",
        "[{'a': 1}][0]",
        "lambda: 1",
        "f'{open(1)}'",
        "[1 + 1]",
        "np.fromfile('ran')",
        "[np.load('ran')]",
        "[1, 2",
        "{'a': }",
        "",
    ],
)
def test_what_is_no_plain_value_is_refused_and_never_run(hostile, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.json").write_text(json.dumps(hostile))
    with pytest.raises(DataError, match=r"x\.json: the text inside holds .*nothing in it is run") as raised:
        load_literal(tmp_path / "x.json", "x")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '"' + "[" * 100_000 + '"', "[{'a': " + "(" * 100_000, "[1", "{", '"abc']
)
def test_nesting_without_end_and_truncated_files_are_one_line(text, tmp_path):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=r"x\.json") as raised:
        load_literal(tmp_path / "x.json", "x")
    assert "\n" not in str(raised.value)


def test_other_encodings_and_no_file(tmp_path):
    (tmp_path / "x.json").write_bytes(b'["\xff"]')
    with pytest.raises(DataError, match="not readable as predictions"):
        load_literal(tmp_path / "x.json", "predictions")
    with pytest.raises(MissingData, match="no such file"):
        load_literal(tmp_path / "absent.json", "predictions")
