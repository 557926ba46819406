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
    made = _of_shards(file, held, path) if held.is_virtual else _stretches(path, held)
    ends = np.cumsum([len(stretch) for stretch in made], dtype=np.int64).tolist()
    if (ends[-1] if ends else 0) != rows:
        raise DataError(f"{path}: its shards or chunks do not cover its {rows} rows; make it again")
    return ends, made


def _of_shards(file: h5py.File, held: h5py.Dataset, path: Path) -> list[Array]:
    """The stretches of a virtual store's shards, in the order of the rows."""
    sources = sorted((*_row_range(source.vspace), source.file_name) for source in held.virtual_sources())
    contents = shard_contents(file)
    made: list[Array] = []
    covered = 0
    for first, last, name in sources:
        if first != covered:
            raise DataError(f"{path}: its shards do not follow each other; merge them again")
        made += _of_shard(shard_path(path, name), contents.get(name), (last - first, held.shape[1]), held, path)
        covered = last
    return made


def _of_shard(shard: Path, content: Any, shape: tuple[int, int], held: h5py.Dataset, path: Path) -> list[Array]:
    """The stretches of a shard, which must be the one that was merged."""
    if not shard.exists():
        raise hdf5.missing(shard, path)
    with reading(shard, hdf5.WHAT), hdf5.open_file(shard) as file:
        inside = hdf5.dataset(file, "features", shard)
        same = content is None or hdf5.read(file, "content", shard).tobytes().hex() == content
        if not same or inside.shape != shape or inside.dtype != held.dtype or inside.is_virtual:
            raise DataError(f"{shard}: is not the shard that {path.name} was merged from; merge again")
        return _stretches(shard, inside)


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


def _stretches(path: Path, held: h5py.Dataset) -> list[Array]:
    """The rows mapped into memory, chunk by chunk where there are chunks; packed ones as HDF5 gives them."""
    if not held.size:
        return []
    whole = np.memmap(path, np.uint8, "r")
    if held.chunks is None:
        return [_mapped(path, whole, held, held.id.get_offset(), len(held))]
    if held.id.get_create_plist().get_nfilters() or held.chunks[1] != held.shape[1]:
        return [_Packed(path, len(held))]  # type: ignore[list-item]
    step = held.chunks[0]
    infos = [held.id.get_chunk_info_by_coord((first, 0)) for first in range(0, len(held), step)]
    return [_mapped(path, whole, held, at.byte_offset, min(step, len(held) - i * step)) for i, at in enumerate(infos)]


def _mapped(path: Path, whole: Array, held: h5py.Dataset, at: int | None, rows: int) -> Array:
    """So many rows that begin at a byte of the file."""
    shape = (rows, held.shape[1])
    if at is None or at + rows * held.shape[1] * held.dtype.itemsize > len(whole):
        raise DataError(f"{path}: ends before its rows do; it is truncated, copy it again")
    return np.ndarray(shape, held.dtype, buffer=whole.data, offset=at)


class _Packed:
    """Rows that only HDF5 can unpack, by slices."""

    def __init__(self, path: Path, rows: int) -> None:
        self._path, self._rows = path, rows
        self._file = h5py.File(path, "r", locking=False)

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, rows: slice) -> Array:
        with reading(self._path, hdf5.WHAT):
            found: Array = self._file["features"][rows]
        return found
