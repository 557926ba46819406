"""The HDF5 of a store: a file made in full size at once, and the plain reading of one that somebody else made.

`features`, `status`, `digest` and `content` are contiguous and allocated when the file is made, so that their places
in it never move: rows are then written as bytes, and a writer that is killed leaves a file that still opens.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hoitool.data.dataset import Array, strings
from hoitool.errors import DataError, HoitoolError, MissingData
from hoitool.files import reading, require, starts_with
from hoitool.store.layout import COLUMNS, CONTENT, DIGEST, Layout, check
from hoitool.store.manifest import Manifest, parse

ATTRIBUTE, RUN, PLAN = "hoitool", "run", "plan"
WHAT = "a feature store (HDF5)"
MAGIC = b"\x89HDF"
SMALL = 64 * 2**20  # bytes that are read without asking


def put(file: h5py.File, name: str, values: Array) -> None:
    """A dataset with values."""
    if values.dtype != object:
        file.create_dataset(name, data=values.astype(values.dtype.newbyteorder("<"), copy=False))
        return
    longest = max((len(text.encode()) for text in values.tolist()), default=1)
    if longest > 4 * (sum(map(len, values.tolist())) // max(1, len(values)) + 16):  # a few long ones: not padded
        file.create_dataset(name, data=values, dtype=h5py.string_dtype())
    else:
        kind = h5py.string_dtype("utf-8", max(1, longest))
        file.create_dataset(name, data=np.array([text.encode() for text in values.tolist()], kind))


def reserve(file: h5py.File, name: str, shape: tuple[int, ...], dtype: str) -> None:
    """A contiguous dataset without values, whose place in the file is fixed now."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_layout(h5py.h5d.CONTIGUOUS)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    kind = h5py.h5t.py_create(np.dtype(dtype).newbyteorder("<"))
    h5py.h5d.create(file.id, name.encode(), kind, h5py.h5s.create_simple(shape), creation)


def describe(file: h5py.File, manifest: Manifest, layout: Layout, run: dict[str, Any], plan: str) -> None:
    """Everything of a store but its rows."""
    file.attrs[ATTRIBUTE] = manifest.dump()
    file.attrs[RUN] = json.dumps(run, sort_keys=True)
    file.attrs[PLAN] = plan
    put(file, "key", layout.key)
    put(file, "offsets", layout.offsets)
    for name, values in layout.columns.items():
        put(file, name, values)


def size(manifest: Manifest, layout: Layout) -> int:
    """How many bytes a store will have, within a few kilobytes."""
    numbers = layout.rows * manifest.dim * np.dtype(manifest.dtype).itemsize
    columns = [layout.offsets, *(values for values in layout.columns.values() if values.dtype != object)]
    texts = [layout.key, *(values for values in layout.columns.values() if values.dtype == object)]
    strings_ = sum(len(values) * max((len(t.encode()) for t in values.tolist()), default=0) for values in texts)
    return numbers + sum(values.nbytes for values in columns) + strings_ + len(layout) * (1 + DIGEST) + 8192


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
        raise HoitoolError(
            f"{path.parent}: no room for {path.name}, which needs {gigabytes(needed)} of the {gigabytes(free)} free "
            f"there ({error.strerror}); name another place with -o, or store float16"
        ) from error


def gigabytes(count: int) -> str:
    """A number of bytes as people say it."""
    return f"{count / 1e9:,.2f} GB" if count >= 1e8 else f"{count / 1e6:,.2f} MB"


def plan_of(path: Path) -> str:
    """The hash of the plan that a store was made by, empty for a file that is no store."""
    try:
        with open_file(path) as file:
            return str(file.attrs.get(PLAN, ""))
    except HoitoolError:
        return ""


def open_file(path: Path) -> h5py.File:
    """A store's file, opened for reading. Raises MissingData, DataError."""
    require(path, WHAT)
    if not starts_with(path, MAGIC):
        raise DataError(f"{path}: not an HDF5 file, expected {WHAT}")
    with reading(path, WHAT):
        return h5py.File(path, "r", locking=False)  # shared folders often have no locks


def read_head(file: h5py.File, path: Path) -> tuple[Manifest, Layout]:
    """The manifest and the layout of a store, checked. DataError where they are not what they should be."""
    text = file.attrs.get(ATTRIBUTE)
    if not isinstance(text, str):
        raise DataError(f"{path}: has no attribute {ATTRIBUTE!r}, so nobody knows how its rows were made")
    manifest = parse(text, str(path))
    columns = {name: read(file, name, path) for name in COLUMNS if name in file}
    layout = Layout(read(file, "key", path), read(file, "offsets", path), columns)
    check(layout, str(path))
    features = dataset(file, "features", path)
    if features.shape != (layout.rows, manifest.dim) or features.dtype.name != manifest.dtype:
        raise DataError(
            f"{path}: features are {features.dtype}{list(features.shape)}, its manifest and offsets say "
            f"{manifest.dtype}[{layout.rows}, {manifest.dim}]"
        )
    return manifest, layout


def state(file: h5py.File, images: int, path: Path) -> tuple[Array, Array, bytes]:
    """The status (I,) and digest (I, 16) of each image and the content hash; DataError for other shapes."""
    made = [read(file, name, path) for name in ("status", "digest", "content")]
    for values, name, shape in zip(
        made, ("status", "digest", "content"), ((images,), (images, DIGEST), (CONTENT,)), strict=True
    ):
        if values.dtype != np.uint8 or values.shape != shape:
            raise DataError(f"{path}: {name} is {values.dtype}{list(values.shape)}, expected uint8{list(shape)}")
    return made[0], made[1], made[2].tobytes()


def dataset(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    """A dataset that lies in this file. DataError for a link to another one, and where there is none."""
    held = file.get(name) if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(held, h5py.Dataset) or held.shape is None or held.external:
        raise DataError(f"{path}: has no dataset {name!r}, expected {WHAT}")
    return held


def read(file: h5py.File, name: str, path: Path) -> Array:
    """All values of a dataset other than the rows, strings as objects."""
    held = dataset(file, name, path)
    if held.nbytes > max(SMALL, 1100 * held.id.get_storage_size()):
        raise DataError(f"{path}: {name} says it is {list(held.shape)}, for which the file has no bytes")
    with reading(path, WHAT):
        if h5py.check_string_dtype(held.dtype) is not None:
            return strings(held.asstr()[()])
        values: Array = held[()]
        return values.astype(values.dtype.newbyteorder("="), copy=False)


def missing(path: Path, of: Path) -> MissingData:
    """The error for a shard that a virtual store names and that is not there."""
    return MissingData(
        f"{path}: no such file, and {of} is a virtual store whose rows lie in it; put it back, or merge again"
    )
