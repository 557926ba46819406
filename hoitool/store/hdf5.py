"""The HDF5 of a store: a file made in full size at once, and the plain reading of one that somebody else made.

`features`, `status`, `digest` and `content` are contiguous and allocated when the file is made, so that their places
in it never move: rows are then written as bytes, and a writer that is killed leaves a file that still opens.
"""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hoitool.data.dataset import Array
from hoitool.errors import DataError, HoitoolError, MissingData, UsageError
from hoitool.files import reading, require, starts_with
from hoitool.store.layout import COLUMNS, CONTENT, DIGEST, FAILED, PICTURE, Layout, check_column, check_offsets
from hoitool.store.manifest import KIND, Manifest, parse

ATTRIBUTE, RUN, PLAN = "hoitool", "run", "plan"
WHAT = "a feature store (HDF5)"
MAGIC = b"\x89HDF"
SUFFIXES = (".h5", ".hdf5")
SMALL = 64 * 2**20  # bytes of texts that are handled at once
CHUNK = 2**20  # bytes


def require_suffix(path: Path) -> None:
    """Raise UsageError for a name that no store has."""
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path}: a feature store ends in {' or '.join(SUFFIXES)}")


def create(path: Path) -> h5py.File:
    """A new file, in a format of HDF5 whose metadata have checksums: what was altered is refused, not followed."""
    return h5py.File(path, "w", libver=("v110", "v110"))


def put(file: h5py.File, name: str, values: Array) -> None:
    """A dataset with values; texts are padded to the longest, and deflated where that makes much of nothing."""
    if values.dtype != object:
        file.create_dataset(name, data=values.astype(values.dtype.newbyteorder("<"), copy=False))
        return
    texts = [text.encode() for text in values.tolist()]
    width, even = _width(texts)
    chunks = (min(len(texts), max(1, CHUNK // width)),)
    packed = {} if even else {"chunks": chunks, "compression": "gzip", "compression_opts": 1}
    held = file.create_dataset(name, (len(texts),), h5py.string_dtype("utf-8", width), **packed)
    step = max(1, SMALL // width)
    for first in range(0, len(texts), step):
        held[first : first + step] = np.array(texts[first : first + step], held.dtype)


def _width(texts: list[bytes]) -> tuple[int, bool]:
    """The bytes of the longest text, and whether padding all to it adds little."""
    longest = max(map(len, texts), default=0)
    return max(1, longest), longest <= 4 * (sum(map(len, texts)) // max(1, len(texts)) + 16)


def reserve(file: h5py.File, name: str, shape: tuple[int, ...], dtype: str) -> None:
    """A contiguous dataset without values, whose place in the file is fixed now."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_layout(h5py.h5d.CONTIGUOUS)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    creation.set_obj_track_times(False)  # equal stores are equal files
    kind = h5py.h5t.py_create(np.dtype(dtype).newbyteorder("<"))
    h5py.h5d.create(file.id, name.encode(), kind, h5py.h5s.create_simple(shape), creation)


def describe(file: h5py.File, manifest: Manifest, layout: Layout, run: dict[str, Any], plan: str) -> None:
    """Everything of a store but its rows."""
    for name, text in ((ATTRIBUTE, manifest.dump()), (RUN, json.dumps(run, sort_keys=True)), (PLAN, plan)):
        file.attrs[name] = np.bytes_(text.encode())
    put(file, "key", layout.key)
    put(file, "offsets", layout.offsets)
    for name, values in layout.columns.items():
        put(file, name, values)


def size(manifest: Manifest, layout: Layout) -> int:
    """How many bytes a store will have, within a few kilobytes."""
    numbers = layout.rows * manifest.dim * np.dtype(manifest.dtype).itemsize
    columns = [layout.offsets, layout.key, *layout.columns.values()]
    return numbers + sum(map(_room, columns)) + len(layout) * (1 + DIGEST) + 8192


def _room(values: Array) -> int:
    """The bytes that a dataset takes."""
    if values.dtype != object:
        return values.nbytes
    texts = [text.encode() for text in values.tolist()]
    width, even = _width(texts)
    return len(texts) * width if even else sum(map(len, texts))  # what deflate saves of texts, it takes for padding


NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def take_space(path: Path, needed: int) -> None:
    """Have the file system set `needed` bytes aside for a file. HoitoolError, naming what is free, where it cannot."""
    free = shutil.disk_usage(path.parent).free
    try:
        if free < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if hasattr(os, "posix_fallocate"):
            with path.open("r+b") as stream:
                os.posix_fallocate(stream.fileno(), 0, needed)
    except OSError as error:
        if error.errno not in NO_ROOM:  # a file system that sets nothing aside
            return
        raise HoitoolError(
            f"{path.parent}: no room for {gigabytes(needed)}, {gigabytes(free)} are free there "
            f"({error.strerror}); name another place with -o, or store float16"
        ) from error


def gigabytes(count: int) -> str:
    """A number of bytes as people say it."""
    return f"{count / 1e9:,.2f} GB" if count >= 1e8 else f"{count / 1e6:,.2f} MB"


def plan_of(path: Path) -> str:
    """The hash of the plan that a store was made by, empty for a file that is no store."""
    try:
        with reading(path, WHAT), open_file(path) as file:
            return attribute(file, PLAN)
    except HoitoolError:
        return ""


def is_store(path: Path) -> bool:
    """Whether a file says that it is a feature store, finished or not."""
    try:
        with reading(path, WHAT), open_file(path) as file:
            held = json.loads(attribute(file, ATTRIBUTE) or "null")
    except HoitoolError:
        return False
    return isinstance(held, dict) and held.get("kind") == KIND


def head(path: Path) -> Head:
    """The head of a file, which may be unfinished. Raises MissingData, DataError."""
    with reading(path, WHAT), open_file(path) as file:
        return read_head(file, path)


def open_file(path: Path) -> h5py.File:
    """A store's file, opened for reading. Raises MissingData, DataError."""
    require(path, WHAT)
    with reading(path, WHAT):
        if not starts_with(path, MAGIC):
            raise DataError(f"{path}: not an HDF5 file, expected {WHAT}")
        return h5py.File(path, "r", locking=False)  # shared folders often have no locks


@dataclass(frozen=True, eq=False)
class Head:
    """What of a store is read at once: the manifest and its text, offsets, the names of columns, and how far it is.

    status   (I,) uint8; content: (32,) bytes, all zero in a store that was not finished
    """

    text: str
    manifest: Manifest
    offsets: Array
    columns: tuple[str, ...]
    status: Array
    content: bytes

    @property
    def made(self) -> int:
        """How many images are made, those that could not be included."""
        return int(np.count_nonzero(self.status))

    @property
    def finished(self) -> bool:
        """Whether all images are made and the content hash is written."""
        return self.made == len(self.status) and self.content != bytes(CONTENT)


def read_head(file: h5py.File, path: Path) -> Head:
    """The head of a store; that everything else is there and has its dtype and shape is checked, values are not read.

    Raises DataError where it is not what it should be. To be called in `reading`.
    """
    text = attribute(file, ATTRIBUTE)
    if not text:
        raise DataError(f"{path}: has no attribute {ATTRIBUTE!r} of text, so nobody knows how its rows were made")
    manifest = parse(text, str(path))
    images = _expect(file, "key", "str", None, path)[0]
    _expect(file, "offsets", "int64", (images + 1,), path)
    offsets = read(file, "offsets", path)
    check_offsets(offsets, images, str(path))
    rows = int(offsets[-1])
    columns = tuple(name for name in COLUMNS if name in file)
    for name in columns:
        held = dataset(file, name, path)
        check_column(name, kind_of(held), held.shape, (rows, images), str(path))
    _expect(file, "features", manifest.dtype, (rows, manifest.dim), path)
    _expect(file, "digest", "uint8", (images, DIGEST), path)
    _expect(file, "status", "uint8", (images,), path)
    _expect(file, "content", "uint8", (CONTENT,), path)
    if PICTURE in file:
        _expect(file, PICTURE, "int64", (images,), path)
    status = read(file, "status", path)
    if (status > FAILED).any():
        raise DataError(f"{path}: status holds {int(status.max())}, expected at most {FAILED}")
    return Head(text, manifest, offsets, columns, status, read(file, "content", path).tobytes())


def attribute(file: h5py.File, name: str) -> str:
    """An attribute of the root, empty where it has none of text."""
    text = file.attrs.get(name, "")
    if isinstance(text, bytes):
        return text.decode()
    return text if isinstance(text, str) else ""


def _expect(file: h5py.File, name: str, kind: str, shape: tuple[int, ...] | None, path: Path) -> tuple[int, ...]:
    """The shape of a dataset. DataError for one of another dtype or shape (None: one axis of any length)."""
    held = dataset(file, name, path)
    if kind_of(held) != kind or (held.shape != shape if shape is not None else held.ndim != 1):
        told = "[I]" if shape is None else str(list(shape))
        raise DataError(f"{path}: {name} is {kind_of(held)}{list(held.shape)}, expected {kind}{told}")
    found: tuple[int, ...] = held.shape
    return found


def kind_of(held: h5py.Dataset) -> str:
    """The name of a dataset's dtype, `str` for texts."""
    return "str" if h5py.check_string_dtype(held.dtype) is not None else str(held.dtype.name)


def dataset(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    """A dataset that lies in this file. DataError for a link to another one, and where there is none."""
    held = file.get(name) if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(held, h5py.Dataset) or held.shape is None or held.external:
        raise DataError(f"{path}: has no dataset {name!r} of its own, expected {WHAT}")
    return held


def read(file: h5py.File, name: str, path: Path) -> Array:
    """All values of a dataset other than the rows, strings as objects."""
    held = dataset(file, name, path)
    needed, there = math.prod(held.shape) * held.dtype.itemsize, file.id.get_filesize()
    if held.is_virtual or needed > (there if held.chunks is None else 1100 * there):  # as much as deflate can pack
        raise DataError(f"{path}: {name} says it is {list(held.shape)}, for which the file has no bytes")
    if kind_of(held) == "str":
        return _texts(held)
    values: Array = held[()]
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _texts(held: h5py.Dataset) -> Array:
    made = np.empty(held.shape, object)
    step = max(1, SMALL // held.dtype.itemsize)
    for first in range(0, len(made), step):
        made[first : first + step] = held.asstr()[first : first + step]
    return made


def missing(path: Path, of: Path) -> MissingData:
    """The error for a shard that a virtual store names and that is not there."""
    return MissingData(
        f"{path}: no such file, and {of} is a virtual store whose rows lie in it; put it back, or merge again"
    )
