"""Reading a store: nothing is loaded until it is asked for, in whichever process asks.

Opening reads the manifest, the offsets and the status; keys, columns and digests are read when they are first used.
Rows are mapped into memory, so that reading an image's is a copy of their bytes and processes share them; those of a
virtual store shard by shard. Only rows that another program packed go through HDF5. A store may be sent to workers
started by fork or by spawn: each opens the file itself, and refuses one that was replaced meanwhile.
"""

from __future__ import annotations

import bisect
import contextlib
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hoitool.data.dataset import Array
from hoitool.errors import DataError, UsageError
from hoitool.files import reading
from hoitool.lookup import unknown_name
from hoitool.store import hdf5
from hoitool.store.layout import FAILED, PICTURE, Layout, check_keys
from hoitool.store.manifest import Manifest, differences
from hoitool.store.pieces import Pieces, pieces

BLOCK = 2**26  # bytes of rows read at once
NAMED = 5000  # keys among which the nearest to an unknown one are looked for


class Store:
    """A finished feature store. Raises MissingData, and DataError for anything else, when it is opened."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._place = self.path.absolute()
        with reading(self.path, hdf5.WHAT), hdf5.open_file(self.path) as file:
            head = hdf5.read_head(file, self.path)
            self.virtual, self._sized = bool(file["features"].is_virtual), PICTURE in file
        if not head.finished:
            raise DataError(f"{self.path}: was never finished; run the command that makes it again, and it goes on")
        self.manifest: Manifest = head.manifest
        self.text, self.offsets, self.status, self._names = head.text, head.offsets, head.status, head.columns
        self.content = head.content.hex()
        self._read: dict[str, Array] = {}
        self._pieces: Pieces | None = None
        self._process = -1

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._place, self.path, self.content)

    def __repr__(self) -> str:
        held = self.manifest
        return f"<Store {self.path.name}: {len(self)} {held.of}, {self.offsets[-1]} rows of {held.dim}, {held.model}>"

    def __len__(self) -> int:
        """The number of images (or labels, texts)."""
        return len(self.status)

    @property
    def key(self) -> Array:
        """(I,) the names of the images."""
        return self._values("key")

    @property
    def digests(self) -> Array:
        """(I, 16) the digest of each image's rows."""
        return self._values("digest")

    @property
    def pictures(self) -> Array | None:
        """(I,) the size in bytes of the picture that each image's rows were made from, None where it is not known."""
        return self._values(PICTURE) if self._sized else None

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns that it has."""
        return self._names

    @cached_property
    def layout(self) -> Layout:
        """Keys, offsets and all columns, loaded."""
        return Layout(self.key, self.offsets, {name: self._values(name) for name in self._names})

    @property
    def failed(self) -> list[str]:
        """The keys of images that could not be made; their rows are NaN."""
        if not (self.status == FAILED).any():
            return []
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
        if name not in self._names:
            raise unknown_name(f"column in {self.path}", name, self._names)
        return self._values(name)

    def index(self, key: str) -> int:
        """The place of an image. Raises UsageError, with the nearest keys, for an unknown one."""
        found = self._index.get(key)
        if found is not None:
            return found
        if len(self) <= NAMED:
            raise unknown_name(f"entry in {self.path}", key, self._index)
        raise UsageError(f"No entry in {self.path} named {key!r}. It has {len(self):,}, such as {self.key[0]!r}.")

    def __getitem__(self, image: int | str) -> Array:
        """(r, dim) the rows of an image by its key or place."""
        i = self.index(image) if isinstance(image, str) else range(len(self))[image]
        return self.rows(int(self.offsets[i]), int(self.offsets[i + 1]))

    def read(self, images: Sequence[int] | Array) -> Array:
        """(r, dim) the rows of images (by place), one after the other in the order given."""
        at = np.asarray(images, np.int64)
        if len(at) and not -len(self) <= at.min() <= at.max() < len(self):
            raise IndexError(f"{self.path}: images {at.min()}..{at.max()}, it has {len(self)}")
        starts = self.offsets[at % max(1, len(self))]
        stops = self.offsets[at % max(1, len(self)) + 1]
        made = np.empty((int((stops - starts).sum()), self.manifest.dim), self.manifest.dtype)
        filled = 0
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            self._fill(made[filled : filled + stop - start], start)
            filled += stop - start
        return made

    def rows(self, start: int, stop: int) -> Array:
        """(stop - start, dim) rows by their place in the file."""
        if not 0 <= start <= stop <= self.offsets[-1]:
            raise UsageError(f"{self.path}: rows {start}..{stop} are outside 0..{self.offsets[-1]}")
        made = np.empty((stop - start, self.manifest.dim), self.manifest.dtype)
        self._fill(made, start)
        return made

    def part(self, name: str) -> tuple[Array, Array]:
        """(r,) places of all rows of a part, and (r, dim) their numbers. UsageError for a part it does not have."""
        places = self.places(name)
        made = np.empty((len(places), self.manifest.dim), self.manifest.dtype)
        step = max(1, BLOCK // (4 * self.manifest.dim))
        edges = np.searchsorted(places, np.arange(0, self.offsets[-1] + step, step)).tolist()
        for first, last in pairwise(edges):
            if first < last:
                start = int(places[first])
                made[first:last] = self.rows(start, int(places[last - 1]) + 1)[places[first:last] - start]
        return places, made

    def places(self, name: str) -> Array:
        """(r,) places of all rows of a part."""
        parts = self.manifest.parts
        if name not in parts:
            raise unknown_name(f"part in {self.path}", name, parts)
        if "part" not in self._names:
            return np.arange(self.offsets[-1])
        found: Array = np.flatnonzero(self.column("part") == parts.index(name))
        return found

    def image_of_rows(self) -> Array:
        """(R,) the image of each row."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    @cached_property
    def _index(self) -> dict[str, int]:
        made = {key: i for i, key in enumerate(self.key.tolist())}
        if len(made) < len(self):
            check_keys(self.key, str(self.path))
        return made

    def _values(self, name: str) -> Array:
        """A dataset's values, read when they are first asked for."""
        if name not in self._read:
            with self._file() as file:
                self._read[name] = hdf5.read(file, name, self.path)
        return self._read[name]

    @contextlib.contextmanager
    def _file(self) -> Iterator[h5py.File]:
        """The file again. Raises DataError when it is not the one that was opened."""
        with reading(self.path, hdf5.WHAT), hdf5.open_file(self._place) as file:
            if hdf5.read(file, "content", self._place).tobytes().hex() != self.content:
                raise DataError(f"{self.path}: was replaced while it was in use; open it again")
            yield file

    def _fill(self, made: Array, start: int) -> None:
        """Copy the rows from `start` on into `made`."""
        if self._pieces is None or self._process != os.getpid():
            with self._file() as file:
                self._pieces = pieces(file, self._place, int(self.offsets[-1]))
            self._process = os.getpid()
        ends, held = self._pieces
        stop, filled = start + len(made), 0
        piece = bisect.bisect_right(ends, start)
        while filled < len(made):
            low = start + filled - (ends[piece - 1] if piece else 0)
            count = min(stop, ends[piece]) - start - filled
            made[filled : filled + count] = held[piece][low : low + count]
            filled, piece = filled + count, piece + 1


def _again(place: Path, path: Path, content: str) -> Store:
    """A store that was sent to another process. Raises DataError when it was replaced on the way."""
    store = Store(place)
    if store.content != content:
        raise DataError(f"{path}: was replaced while it was in use; open it again")
    store.path = path
    return store
