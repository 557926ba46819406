"""The page of the file format names everything, and its programs run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from store.making import layout_of, rows_of, write

from hoitool.store import COLUMNS, Manifest
from hoitool.store.manifest import OF, TYPES

PAGE = (Path(__file__).parents[2] / "docs" / "features.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
ROWS = {
    name.strip("` "): line.split("|")[2:-1]
    for line in PAGE.splitlines()
    if line.startswith("| `")
    for name in line.split("|")[1].split(",")
}


def test_every_field_of_the_manifest_is_named_with_its_type():
    names = {int: "integer", bool: "true, false", list: "list of texts", dict: "object", str: "text"}
    for name in Manifest.__dataclass_fields__:
        assert name in ROWS, name
        if name not in COLUMNS:
            assert ROWS[name][0].strip().startswith(names[TYPES.get(name, str)]), name
    assert all(f"`{of}`" in PAGE for of in OF)


def test_every_column_is_named_with_its_dtypes_and_width():
    table = PAGE.partition("| column |")[2].partition("\n\n")[0]
    for name, spec in COLUMNS.items():
        kind = " or ".join(spec.dtypes).replace("str", "text") + ("" if spec.width is None else f", {spec.width}")
        assert f"| `{name}` | {kind} | {spec.of} |" in table, name


@pytest.fixture
def features(tmp_path, monkeypatch):
    """The store that the page's programs read."""
    monkeypatch.chdir(tmp_path)
    layout = layout_of(["a.jpg", "b.jpg"], [2, 1])
    write(tmp_path / "features.h5", layout)
    return rows_of(layout)


def run(block):
    names = {}
    exec(compile(block, "features.md", "exec"), names)
    return names


def test_the_program_without_hoitool(features):
    found = run(BLOCKS[0])
    assert "hoitool" not in BLOCKS[0].replace('attrs["hoitool"]', "")
    np.testing.assert_array_equal(found["rows"], features[0])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_program_with_a_data_loader(features):
    pytest.importorskip("torch")
    found = run(BLOCKS[1])["rows"]
    for one, other in zip(found, features, strict=True):
        np.testing.assert_array_equal(one.numpy(), other)


def test_what_the_page_says_of_rounding():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((2, 2000, 512))
    rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    rows = rows.astype(np.float32)
    half = rows.astype(np.float16).astype(np.float64)
    assert (np.abs(half - rows) <= np.abs(rows) / 2048 + 2.0**-25).all()
    off = np.abs((half[0] * half[1]).sum(1) - (rows[0].astype(np.float64) * rows[1]).sum(1))
    assert off.max() < 1e-3
    assert 1e-6 < np.median(off) < 4e-5
