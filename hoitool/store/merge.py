"""Shards into one store: virtual (the rows stay in the shards) or a copy (the shards can go).

Shards are finished stores of the same manifest whose entries differ; they are joined in the order given.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from hoitool.errors import DataError, UsageError
from hoitool.files import atomic, refuse_overwrite
from hoitool.progress import progress
from hoitool.store import hdf5
from hoitool.store.layout import PICTURE, check, concat, content_hash, kind_of, plan_hash
from hoitool.store.manifest import Manifest, unlike
from hoitool.store.pieces import shard_path
from hoitool.store.reader import BLOCK, Store


def merge(shards: Sequence[Path], path: Path, copy: bool = False, overwrite: bool = False) -> str:
    """Join finished shards into a store; return its content hash, which is that of a store written at once.

    copy  the rows too; else they stay in the shards, which must lie beside or below the new file
    Raises UsageError for no shards, shards elsewhere or virtual themselves and a file that exists, DataError for shards
    of different making.
    """
    if not shards:
        raise UsageError("no shards to merge")
    refuse_overwrite(path, overwrite)
    if path.resolve() in [shard.resolve() for shard in shards]:
        raise UsageError(f"{path} is one of the shards; name another file with -o")
    stores = [Store(shard) for shard in shards]
    for store in stores[1:]:
        _require_same(stores[0], store)
    layout = concat([store.layout for store in stores])
    check(layout, f"{path} (of {len(shards)} shards)")
    manifest = stores[0].manifest
    status = np.concatenate([store.status for store in stores])
    digests = np.concatenate([store.digests for store in stores])
    content = content_hash(manifest.dump(), layout, status, digests)
    with atomic(path) as temporary:
        with hdf5.create(temporary) as file:
            names = {} if copy else {_name(store, path): store.content for store in stores}
            run = {"copied": [store.content for store in stores]} if copy else {"shards": names}
            hdf5.describe(file, manifest, layout, run, plan_hash(manifest, layout))
            held = {"status": status, "digest": digests, "content": np.frombuffer(content, np.uint8)}
            sizes = [store.pictures for store in stores if store.pictures is not None]
            if len(sizes) == len(stores):
                held[PICTURE] = np.concatenate(sizes)
            for name, values in held.items():
                file.create_dataset(name, data=values)
            if copy:
                hdf5.reserve(file, "features", (layout.rows, manifest.dim), manifest.dtype)
            else:
                _virtual(file, stores, list(names), manifest)
        if copy:
            hdf5.take_space(temporary, temporary.stat().st_size)
            _copy_rows(stores, temporary)
    return content.hex()


def _name(store: Store, path: Path) -> str:
    """What a shard is called in a virtual store: where it lies, seen from there."""
    place, folder = store.path.resolve(), path.parent.resolve()
    if not place.is_relative_to(folder):
        raise UsageError(f"{store.path} does not lie beside or below {path}, which a virtual store needs; use --copy")
    name = place.relative_to(folder).as_posix()
    shard_path(path, name)
    return name


def _virtual(file: h5py.File, stores: Sequence[Store], names: list[str], manifest: Manifest) -> None:
    dtype = np.dtype(manifest.dtype).newbyteorder("<")
    made = h5py.VirtualLayout((sum(store.layout.rows for store in stores), manifest.dim), dtype)
    first = 0
    for store, name in zip(stores, names, strict=True):
        if store.virtual:
            raise UsageError(f"{store.path} is a virtual store itself; merge its shards, or use --copy")
        count = store.layout.rows
        if count:
            made[first : first + count] = h5py.VirtualSource(name, "features", (count, manifest.dim), dtype)
        first += count
    file.create_virtual_dataset("features", made)


def _copy_rows(stores: Sequence[Store], target: Path) -> None:
    with h5py.File(target, "r+") as file:
        first = 0
        for store in stores:
            step = max(1, BLOCK // (4 * store.manifest.dim))
            for start in progress(range(0, store.layout.rows, step), f"copying {store.path.name}"):
                rows = store.rows(start, min(start + step, store.layout.rows))
                file["features"][first + start : first + start + len(rows)] = rows
            first += store.layout.rows


def _require_same(one: Store, other: Store) -> None:
    told = unlike(other.manifest, one.manifest)
    columns, expected = ({name: kind_of(s.column(name)) for name in s.columns} for s in (other, one))
    if columns != expected:
        told.append(f"it has the columns {columns}, expected {expected}")
    if told:
        raise DataError(f"{other.path} is not a shard of what {one.path} is of: {'; '.join(told)}")
