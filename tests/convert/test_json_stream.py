"""Lists in JSON, entry by entry: what the parser gives for the whole text, or its refusal."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoitool.convert import json_stream

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.lists(VALUES, max_size=6), st.sampled_from([None, 1]), st.integers(1, 30), st.booleans())
def test_entries_are_those_of_the_whole_list_however_the_text_is_cut(values, indent, chunk, ascii_only):
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "CHUNK", chunk)
        assert list(json_stream.values(io.StringIO(f" {text}\n"))) == values


@pytest.mark.parametrize(
    "text", ["", " ", "{}", "1", "[", "[1", "[1,", "[1 2]", "[,]", "[1,]", "[1]]", "[1] 2", "[tru]"]
)
@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_what_is_no_list_is_refused(text, chunk, monkeypatch):
    monkeypatch.setattr(json_stream, "CHUNK", chunk)
    with pytest.raises(ValueError):
        list(json_stream.values(io.StringIO(text)))


def test_only_what_is_asked_for_is_read(monkeypatch):
    monkeypatch.setattr(json_stream, "CHUNK", 10)
    stream = io.StringIO("[" + ", ".join(["1234"] * 1000) + "]")
    assert next(json_stream.values(stream)) == 1234
    assert stream.tell() < 50


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=6), st.sampled_from([None, 1]), st.integers(1, 30))
def test_members_are_those_of_the_whole_object_however_the_text_is_cut(values, indent, chunk):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "CHUNK", chunk)
        assert list(json_stream.members(io.StringIO(f" {json.dumps(values, indent=indent)}\n"))) == [*values.items()]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a"', '{"a":', '{"a" 1}', "{1: 2}", '{"a": 1,}', '{"a": 1}}', "{,}"])
@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_what_is_no_object_is_refused(text, chunk, monkeypatch):
    monkeypatch.setattr(json_stream, "CHUNK", chunk)
    with pytest.raises(ValueError):
        list(json_stream.members(io.StringIO(text)))
