"""Stores to test with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.data.dataset import offsets_of, strings
from hoitool.store import COLUMNS, Layout, Manifest, Writer

DIM = 4
WHATEVER = Manifest(of="regions", model="test:tiny", dim=DIM, dtype="float32", parts=("box", "pair"))


def columns_of(rows: int, images: int, seed: int = 0) -> dict[str, Any]:
    """Every column that there is, with values of its first dtype."""
    rng = np.random.default_rng(seed)
    made = {}
    for name, spec in COLUMNS.items():
        shape = (rows if spec.of == "row" else images, *(() if spec.width is None else (spec.width,)))
        if spec.dtypes[0] == "str":
            made[name] = strings([f"text {i} ü{'x' * int(rng.integers(9))}" for i in range(rows)])
        else:
            made[name] = (rng.random(shape) * 9 if "float" in spec.dtypes[0] else rng.integers(0, 2, shape)).astype(
                spec.dtypes[0]
            )
    return made


def layout_of(keys: Sequence[str], counts: Sequence[int], columns: bool = True) -> Layout:
    """A layout of images with so many rows each."""
    rows = sum(counts)
    return Layout(strings(list(keys)), offsets_of(counts), columns_of(rows, len(keys)) if columns else {})


def rows_of(layout: Layout, dim: int = DIM, seed: int = 0) -> list[Any]:
    """Random rows for each image."""
    made = np.random.default_rng(seed).standard_normal((layout.rows, dim)).astype(np.float32)
    return [made[a:b] for a, b in zip(layout.offsets[:-1], layout.offsets[1:], strict=True)]


def write(path: Path, layout: Layout, rows: Sequence[Any] | None = None, manifest: Manifest = WHATEVER) -> str:
    """Write a store at once; its content hash."""
    with Writer(path, manifest, layout) as writer:
        writer.write(0, list(rows_of(layout, manifest.dim) if rows is None else rows))
        return writer.finish()


def environment() -> dict[str, str]:
    """The environment of a subprocess that imports from the tests too."""
    tests = Path(__file__).parent.parent
    return os.environ | {"PYTHONPATH": f"{tests.parent}{os.pathsep}{tests}"}
