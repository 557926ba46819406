"""Reading a store: nothing is loaded until it is asked for, in whichever process asks.

Rows of a contiguous store are mapped into memory, so that reading an image's is a copy of their bytes and processes
share them; a virtual store is read shard by shard in the same way; chunked ones go through HDF5. A store may be sent
to workers started by fork or by spawn: each opens the file itself.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hoitool.data.dataset import Array
from hoitool.errors import DataError, UsageError
from hoitool.files import reading
from hoitool.lookup import unknown_name
from hoitool.store import hdf5
from hoitool.store.layout import CONTENT, FAILED, Layout
from hoitool.store.manifest import Manifest, differences


class Store:
    """A finished feature store. Raises MissingData, and DataError for anything else, when it is opened."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        with hdf5.open_file(self.path) as file:
            self.manifest: Manifest
            self.layout: Layout
            self.manifest, self.layout = hdf5.read_head(file, self.path)
            self.status, self.digests, content = hdf5.state(file, len(self.layout), self.path)
        if content == bytes(CONTENT):
            raise DataError(f"{self.path}: was never finished; run the command that makes it again, and it goes on")
        self.content = content.hex()
        self._pieces: list[tuple[int, int, Array]] = []
        self._process = -1

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_pieces": [], "_process": -1}

    def __repr__(self) -> str:
        held = self.manifest
        return f"<Store {self.path.name}: {len(self)} {held.of}, {self.layout.rows} rows of {held.dim}, {held.model}>"

    def __len__(self) -> int:
        """The number of images (or labels, texts)."""
        return len(self.layout)

    @property
    def key(self) -> Array:
        """(I,) the names of the images."""
        return self.layout.key

    @property
    def failed(self) -> list[str]:
        """The keys of images that could not be made; their rows are NaN."""
        return [str(key) for key in self.key[self.status == FAILED]]

    def require(self, **needed: Any) -> Store:
        """The store itself. Raises DataError, saying what differs, unless its manifest has these values.

        A value may be a set of allowed ones; for a table (split, label_space, ...) the part of it that matters.
        """
        told = differences(self.manifest, needed)
        if told:
            raise DataError(f"{self.path} is not what is needed: {'; '.join(told)}")
        return self

    def column(self, name: str) -> Array:
        """A column of all rows or images. Raises UsageError where the store does not have it."""
        if name not in self.layout.columns:
            raise unknown_name(f"column in {self.path}", name, self.layout.columns)
        return self.layout.columns[name]

    def index(self, key: str) -> int:
        """The place of an image. Raises UsageError, with the nearest keys, for an unknown one."""
        found = self._index.get(key)
        if found is None:
            raise unknown_name(f"entry in {self.path}", key, self._index)
        return found

    def __getitem__(self, image: int | str) -> Array:
        """(r, dim) the rows of an image by its key or place."""
        i = self.index(image) if isinstance(image, str) else range(len(self))[image]
        start, stop = self.layout.offsets[i : i + 2].tolist()
        return self.rows(start, stop)

    def read(self, images: Sequence[int] | Array) -> Array:
        """(r, dim) the rows of images (by place), one after the other in the order given."""
        at = np.asarray(images, np.int64)
        starts, stops = self.layout.offsets[at], self.layout.offsets[at + 1]
        made = np.empty((int((stops - starts).sum()), self.manifest.dim), self.manifest.dtype)
        filled = 0
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            self._fill(made[filled : filled + stop - start], start)
            filled += stop - start
        return made

    def rows(self, start: int, stop: int) -> Array:
        """(stop - start, dim) rows by their place in the file."""
        if not 0 <= start <= stop <= self.layout.rows:
            raise UsageError(f"{self.path}: rows {start}..{stop} are outside 0..{self.layout.rows}")
        made = np.empty((stop - start, self.manifest.dim), self.manifest.dtype)
        self._fill(made, start)
        return made

    def part(self, name: str) -> tuple[Array, Array]:
        """(r,) places of all rows of a part, and (r, dim) their numbers. UsageError for a part it does not have."""
        places = self.places(name)
        if not len(places):
            return places, np.empty((0, self.manifest.dim), self.manifest.dtype)
        cuts = np.flatnonzero(np.diff(places) > 1) + 1
        runs = np.split(places, cuts)
        return places, np.concatenate([self.rows(int(run[0]), int(run[-1]) + 1) for run in runs])

    def places(self, name: str) -> Array:
        """(r,) places of all rows of a part."""
        parts = self.manifest.parts
        if name not in parts:
            raise unknown_name(f"part in {self.path}", name, parts)
        if "part" not in self.layout.columns:
            return np.arange(self.layout.rows)
        found: Array = np.flatnonzero(self.layout.columns["part"] == parts.index(name))
        return found

    def image_of_rows(self) -> Array:
        """(R,) the image of each row."""
        return np.repeat(np.arange(len(self)), np.diff(self.layout.offsets))

    @cached_property
    def _index(self) -> dict[str, int]:
        return {key: i for i, key in enumerate(self.key.tolist())}

    def _fill(self, made: Array, start: int) -> None:
        """Copy the rows from `start` on into `made`."""
        stop = start + len(made)
        with reading(self.path, hdf5.WHAT):
            for first, last, held in self._open():
                low, high = max(start, first), min(stop, last)
                if low < high:
                    made[low - start : high - start] = held[low - first : high - first]

    def _open(self) -> list[tuple[int, int, Array]]:
        """The pieces (first row, last row, their numbers) that the rows lie in, opened in this process."""
        if self._process != os.getpid():
            self._pieces = pieces(self.path, self.layout.rows)
            self._process = os.getpid()
        return self._pieces


def pieces(path: Path, rows: int) -> list[tuple[int, int, Array]]:
    """The places (first row, last row, numbers) in which the rows of a store lie, each mapped, or read by HDF5.

    Raises MissingData for a shard that is not there and DataError for one that is not what the store says.
    """
    with hdf5.open_file(path) as file:
        held = hdf5.dataset(file, "features", path)
        if not held.is_virtual:
            return [(0, rows, _mapped(path, held))] if rows else []
        sources = held.virtual_sources()
        places = [(_row_range(source.vspace), source.file_name) for source in sources]
        dtype, dim = held.dtype, held.shape[1]
    made = []
    for (first, last), name in sorted(places):
        shard = shard_path(path, name)
        if not shard.exists():
            raise hdf5.missing(shard, path)
        with hdf5.open_file(shard) as file:
            inside = hdf5.dataset(file, "features", shard)
            if inside.shape != (last - first, dim) or inside.dtype != dtype or inside.is_virtual:
                raise DataError(f"{shard}: its rows are not those that {path.name} was merged from; merge again")
            made.append((first, last, _mapped(shard, inside)))
    if [first for first, _, _ in made] != [0, *(last for _, last, _ in made[:-1])] or made[-1][1] != rows:
        raise DataError(f"{path}: its shards do not cover its {rows} rows; merge them again")
    return made


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
    return np.memmap(path, held.dtype, "r", at, held.shape)


class _Chunked:
    """Rows that only HDF5 can find, by slices."""

    def __init__(self, path: Path) -> None:
        self._file = h5py.File(path, "r", locking=False)

    def __getitem__(self, rows: slice) -> Array:
        found: Array = self._file["features"][rows]
        return found
