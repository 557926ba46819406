"""What a store's file looks like, to h5py alone: names, dtypes, places, hashes; and a golden one."""

from __future__ import annotations

import hashlib
import json

import h5py
import numpy as np
import pytest
from store.making import WHATEVER, columns_of, layout_of, rows_of, write

from hoitool.data.dataset import strings
from hoitool.errors import DataError
from hoitool.store import COLUMNS, Layout, Manifest, Store, Writer, verify
from hoitool.store.hdf5 import size

GOLDEN = Manifest(of="images", model="golden", dim=3, dtype="float16", normalised=False, sources={"a.txt": "00"})
CONTENT = "fc2ea98b14640daef0a99799ce1d6e6ad442e6456f7e011a8509665bcec77c5f"


def golden(path):
    layout = Layout(strings(["a", "ü"]), np.array([0, 2, 3]), {"scores": np.array([0.5, 0.25, 1.0])})
    rows = np.array([[1, 2, 3], [4, 5, 6], [-0.5, 0, 65504]], np.float32)
    return write(path, layout, [rows[:2], rows[2:]], GOLDEN)


def test_the_golden_store(tmp_path):
    """The rows' bytes, the digests and the content hash, computed here from the format's page, not by the package."""
    content = golden(tmp_path / "golden.h5")
    with h5py.File(tmp_path / "golden.h5") as file:
        assert sorted(file) == ["content", "digest", "features", "key", "offsets", "scores", "status"]
        held, at = file["features"], file["features"].id.get_offset()
        assert (held.dtype.str, held.shape, held.chunks) == ("<f2", (3, 3), None)
        raw = (tmp_path / "golden.h5").read_bytes()[at : at + 18]
        assert raw.hex() == "003c0040004200440045004600b80000ff7b"
        assert {name: file[name].dtype.str for name in ("offsets", "status", "digest", "content", "scores")} == {
            "offsets": "<i8",
            "status": "|u1",
            "digest": "|u1",
            "content": "|u1",
            "scores": "<f8",
        }
        assert file["key"].asstr()[()].tolist() == ["a", "ü"]
        assert tuple(h5py.check_string_dtype(file["key"].dtype)) == ("utf-8", 2)
        digests = [hashlib.blake2b(part, digest_size=16).digest() for part in (raw[:12], raw[12:])]
        assert file["digest"][()].tobytes() == b"".join(digests)
        text = bytes(file.attrs["hoitool"])
        assert json.loads(text) == {
            "kind": "features",
            "version": 1,
            "of": "images",
            "model": "golden",
            "dim": 3,
            "dtype": "float16",
            "normalised": False,
            "space": "joint",
            "precision": "fp32",
            "sources": {"a.txt": "00"},
        }
        whole = text + b"\0key str [2]\0" + b"a\0" + "ü".encode()
        whole += b"\0offsets int64 [3]\0" + np.array([0, 2, 3], "<i8").tobytes()
        whole += b"\0scores float64 [3]\0" + np.array([0.5, 0.25, 1], "<f8").tobytes()
        assert file.attrs["plan"].decode() == hashlib.sha256(whole).hexdigest()
        found = hashlib.sha256(whole + bytes([1, 1]) + b"".join(digests)).digest()
        assert file["content"][()].tobytes() == found
    assert content == found.hex() == Store(tmp_path / "golden.h5").content
    assert content == CONTENT


@pytest.mark.parametrize("name", ["features", "status", "digest", "content", "offsets"])
def test_what_is_written_in_place_is_contiguous(path, name):
    with h5py.File(path) as file:
        held = file[name]
        assert (held.chunks, held.id.get_offset() is not None) == (None, True)


def test_every_column_comes_back(path):
    store = Store(path)
    for name, values in columns_of(5, 3).items():
        found = store.column(name)
        assert found.dtype == values.dtype, name
        np.testing.assert_array_equal(found, values)
        with h5py.File(path) as file:
            assert h5py.check_string_dtype(file[name].dtype) or file[name].dtype.byteorder in "<|="
    assert set(store.columns) == set(COLUMNS)


@pytest.mark.parametrize("lengths", [[1, 1, 1], [0, 0, 0], [3, 9, 4000], [70000, 1, 1]])
def test_texts_of_any_lengths_come_back_and_the_size_is_foretold(tmp_path, lengths):
    rng = np.random.default_rng(0)
    texts = ["".join(map(chr, rng.integers(0x4E00, 0x9000, length))) for length in lengths] * 40
    layout = Layout(
        strings([str(i) for i in range(120)]), np.arange(121), {"text": strings(texts), "count": np.arange(120)}
    )
    write(tmp_path / "x.h5", layout)
    assert Store(tmp_path / "x.h5").column("text").tolist() == texts
    foretold, is_ = size(WHATEVER, layout), (tmp_path / "x.h5").stat().st_size
    assert abs(foretold - is_) < 16384 + 0.2 * is_
    verify(tmp_path / "x.h5").raise_for()


def test_one_long_text_among_few_comes_back(tmp_path):
    """Its chunks are no longer than the texts are many."""
    texts = ["x" * 5000, *"abcdefg"]
    write(tmp_path / "x.h5", Layout(strings(list("01234567")), np.arange(9), {"text": strings(texts)}))
    assert Store(tmp_path / "x.h5").column("text").tolist() == texts


def test_a_long_manifest_comes_back(tmp_path):
    manifest = Manifest(of="texts", model="m", dim=4, notes={"attributes": [f"word {i}" for i in range(20_000)]})
    write(tmp_path / "x.h5", layout_of(["a"], [1], columns=False), manifest=manifest)
    assert Store(tmp_path / "x.h5").manifest == manifest
    verify(tmp_path / "x.h5").raise_for()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"key": strings(["a", "a"])}, "the key 'a' stands twice"),
        ({"key": strings(["a", "b\0c"])}, "U+0000"),
        ({"key": strings(["a", "b\udce9.jpg"])}, "no Unicode text"),
        ({"key": strings(["a", 3])}, "expected a text for each entry"),
        ({"key": np.arange(2)}, "key is int64[2], expected a text"),
        ({"offsets": np.array([0, 3, 2])}, "do not rise"),
        ({"offsets": np.array([1, 2, 3])}, "do not rise"),
        ({"offsets": np.array([0, 3])}, "expected int64[3]"),
        ({"offsets": np.array([0.0, 1, 3])}, "offsets are float64[3], expected int64[3]"),
        ({"columns": {"colour": np.zeros(3)}}, "a column 'colour' is not known"),
        ({"columns": {"boxes": np.zeros((3, 5))}}, "boxes is float64[3, 5], expected float64 or float32[3, 4]"),
        ({"columns": {"label": np.zeros(3)}}, "label is float64[3], expected int32[3]"),
        ({"columns": {"grid": np.zeros((3, 2), np.int32)}}, "expected int32[2, 2]"),
        ({"columns": {"text": strings(["a", "b", "c\0"])}}, "a text holds"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_made(tmp_path, change, told):
    held = {"key": strings(["a", "b"]), "offsets": np.array([0, 1, 3]), "columns": {}} | change
    with pytest.raises(DataError) as caught:
        Writer(tmp_path / "x.h5", WHATEVER, Layout(**held))
    assert told in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", [{"dim": 0}, {"of": "faces"}, {"dtype": "float64"}, {"parts": (1,)}, {"model": 3}])
def test_a_manifest_that_nobody_could_read_back_is_refused(tmp_path, bad):
    with pytest.raises(DataError):
        Writer(tmp_path / "x.h5", Manifest(**{"of": "images", "model": "m", "dim": 4} | bad), layout_of(["a"], [1]))
    assert list(tmp_path.iterdir()) == []


def test_all_rows_of_a_part(tmp_path, monkeypatch):
    layout = layout_of([f"{i}.jpg" for i in range(40)], [i % 4 for i in range(40)])
    write(tmp_path / "x.h5", layout)
    store = Store(tmp_path / "x.h5")
    whole = np.concatenate(rows_of(layout))
    for block in (16, 64, 2**20):
        monkeypatch.setattr("hoitool.store.reader.BLOCK", block)
        for index, name in enumerate(("box", "pair")):
            places, rows = store.part(name)
            assert places.tolist() == np.flatnonzero(layout.columns["part"] == index).tolist()
            np.testing.assert_array_equal(rows, whole[places])
