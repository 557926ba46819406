"""What `hoitool inspect` says of feature stores, finished and not, and of other HDF5 files."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from store.making import WHATEVER, layout_of, rows_of

from hoitool.errors import DataError
from hoitool.report.inspect import describe
from hoitool.store import Store, Writer, merge

LAYOUT = layout_of([f"{i}.jpg" for i in range(9)], [i % 3 for i in range(9)])


@pytest.fixture
def path(tmp_path):
    """A store of nine images, of which seven could not be made; an unfinished one beside it."""
    rows = rows_of(LAYOUT)
    with Writer(tmp_path / "x.h5", WHATEVER, LAYOUT) as writer:
        writer.write(0, [*rows[:2], *[None] * 7])
        writer.finish()
    with Writer(tmp_path / "y.h5", WHATEVER, LAYOUT) as writer:
        writer.write(3, rows[3:7])
    return tmp_path / "x.h5"


def test_a_finished_store(path, hoitool):
    held = json.loads(hoitool("inspect", path, "--json").out)
    assert held["manifest"] == json.loads(json.dumps(WHATEVER.to_json()))
    assert {name: held[name] for name in ("kind", "of", "entries", "rows", "dim", "dtype", "state", "failed")} == {
        "kind": "features",
        "of": "regions",
        "entries": 9,
        "rows": 9,
        "dim": 4,
        "dtype": "float32",
        "state": "finished",
        "failed": 7,
    }
    assert held["content"] == Store(path).content
    assert held["bytes"] == path.stat().st_size
    assert held["first failed"] == "2.jpg, 3.jpg, 4.jpg, 5.jpg, 6.jpg"
    part = LAYOUT.columns["part"]
    assert held["parts"] == {"box": int((part == 0).sum()), "pair": int((part == 1).sum())}
    assert held["columns"] == {
        name: f"{'string' if values.dtype == object else values.dtype}{list(values.shape[1:]) or ''}"
        for name, values in LAYOUT.columns.items()
    }
    shown = hoitool("inspect", path)
    assert (shown.code, shown.err) == (0, "")
    for told in ("test:tiny", "7", "float32", "boxes"):
        assert told in shown.out


def test_an_unfinished_store_says_how_far_it_is(path, hoitool):
    done = hoitool("inspect", path.with_name("y.h5.partial"), "--json")
    held = json.loads(done.out)
    assert (done.code, held["state"]) == (0, "unfinished: 4 of 9 entries are made")
    assert "content" not in held
    with Writer(path.with_name("y.h5"), WHATEVER, LAYOUT):  # while another process writes it
        assert "4 of 9" in hoitool("inspect", path.with_name("y.h5.partial")).out


def test_a_virtual_store_and_a_broken_one(path, hoitool):
    merge([path], path.with_name("v.h5"))
    assert json.loads(hoitool("inspect", path.with_name("v.h5"), "--json").out)["content"] == Store(path).content
    with h5py.File(path, "r+") as file:
        del file["offsets"]
    done = hoitool("inspect", path)
    assert (done.code, done.err.count("\n"), "has no dataset 'offsets'" in done.err) == (1, 1, True)


@pytest.mark.parametrize("attribute", [None, "{}", "x", '{"kind": "other"}', 3])
def test_other_hdf5_files_are_not_stores(tmp_path, attribute):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.zeros(3)
        if attribute is not None:
            file.attrs["hoitool"] = attribute
    with pytest.raises(DataError, match="not a file that hoitool wrote"):
        describe(tmp_path / "x.h5")
