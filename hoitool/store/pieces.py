"""Where the rows of a store lie: one stretch of this file, or, in a virtual store, stretches of its shards.

A contiguous stretch is mapped into memory. A shard is refused where it is not the one that was merged: its content
hash stands in the attribute `run` of the virtual store.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hoitool.data.dataset import Array
from hoitool.errors import DataError
from hoitool.files import reading
from hoitool.store import hdf5

Pieces = tuple[list[int], list[Array]]


def pieces(file: h5py.File, path: Path, rows: int) -> Pieces:
    """The last row + 1 of each stretch, and its numbers (r, dim), mapped, or read by HDF5.

    Raises MissingData for a shard that is not there and DataError for one that is not what the store says.
    """
    held = hdf5.dataset(file, "features", path)
    if not held.is_virtual:
        return ([rows], [_mapped(path, held)]) if rows else ([], [])
    sources = sorted((*_row_range(source.vspace), source.file_name) for source in held.virtual_sources())
    contents = shard_contents(file)
    ends: list[int] = []
    made = []
    for first, last, name in sources:
        if first != (ends[-1] if ends else 0):
            break
        made.append(_of_shard(shard_path(path, name), contents.get(name), (last - first, held.shape[1]), held, path))
        ends.append(last)
    if (ends[-1] if ends else 0) != rows or len(ends) < len(sources):
        raise DataError(f"{path}: its shards do not cover its {rows} rows; merge them again")
    return ends, made


def _of_shard(shard: Path, content: Any, shape: tuple[int, int], held: h5py.Dataset, path: Path) -> Array:
    """The rows of a shard, which must be those that were merged."""
    if not shard.exists():
        raise hdf5.missing(shard, path)
    with reading(shard, hdf5.WHAT), hdf5.open_file(shard) as file:
        inside = hdf5.dataset(file, "features", shard)
        same = content is None or hdf5.read(file, "content", shard).tobytes().hex() == content
        if not same or inside.shape != shape or inside.dtype != held.dtype or inside.is_virtual:
            raise DataError(f"{shard}: is not the shard that {path.name} was merged from; merge again")
        return _mapped(shard, inside)


def shard_contents(file: h5py.File) -> dict[str, Any]:
    """Shard -> its content hash, of a virtual store; empty where it does not say."""
    said = json.loads(hdf5.attribute(file, hdf5.RUN) or "{}")
    found = said.get("shards") if isinstance(said, dict) else None
    return found if isinstance(found, dict) else {}


def shard_path(path: Path, name: str) -> Path:
    """Where a shard named by a virtual store lies: beside or below it, nowhere else."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise DataError(f"{path}: names the shard {name!r}, expected one beside or below it")
    return path.parent / name


def _row_range(space: Any) -> tuple[int, int]:
    low, high = space.get_select_bounds()
    return int(low[0]), int(high[0]) + 1


def _mapped(path: Path, held: h5py.Dataset) -> Array:
    """The rows mapped into memory; those of a chunked dataset as HDF5 gives them."""
    at = held.id.get_offset()
    if at is None:
        return _Chunked(path)  # type: ignore[return-value]
    if at + held.nbytes > path.stat().st_size:
        raise DataError(f"{path}: ends before its rows do; it is truncated, copy it again")
    return np.memmap(path, held.dtype, "r", at, held.shape).view(np.ndarray)


class _Chunked:
    """Rows that only HDF5 can find, by slices."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = h5py.File(path, "r", locking=False)

    def __getitem__(self, rows: slice) -> Array:
        with reading(self._path, hdf5.WHAT):
            found: Array = self._file["features"][rows]
        return found
