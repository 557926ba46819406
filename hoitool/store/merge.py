"""Shards into one store: virtual (the rows stay in the shards) or a copy (the shards can go).

Shards are finished stores of the same manifest whose entries differ; they are joined in the order given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import h5py
import numpy as np

from hoitool.errors import DataError, UsageError
from hoitool.files import atomic, refuse_overwrite
from hoitool.progress import progress
from hoitool.store import hdf5
from hoitool.store.layout import check, concat, content_hash, plan_hash
from hoitool.store.manifest import Manifest, differences
from hoitool.store.reader import Store, shard_path
from hoitool.store.verify import BLOCK


def merge(shards: Sequence[Path], path: Path, copy: bool = False, overwrite: bool = False) -> str:
    """Join finished shards into a store; return its content hash, which is that of a store written at once.

    copy  the rows too; else they stay in the shards, which must lie beside or below the new file
    Raises UsageError for no shards, shards elsewhere and a file that exists, DataError for shards of different making.
    """
    if not shards:
        raise UsageError("no shards to merge")
    refuse_overwrite(path, overwrite)
    stores = [Store(shard) for shard in shards]
    for store in stores[1:]:
        _require_same(stores[0], store)
    layout = concat([store.layout for store in stores])
    check(layout, f"{path} (of {len(shards)} shards)")
    manifest = stores[0].manifest
    status = np.concatenate([store.status for store in stores])
    digests = np.concatenate([store.digests for store in stores])
    content = content_hash(manifest, layout, status, digests)
    with atomic(path) as temporary:
        with h5py.File(temporary, "w") as file:
            hdf5.describe(
                file, manifest, layout, {"shards": [s.path.name for s in stores]}, plan_hash(manifest, layout)
            )
            held = {"status": status, "digest": digests, "content": np.frombuffer(content, np.uint8)}
            for name, values in held.items():
                file.create_dataset(name, data=values)
            if copy:
                hdf5.reserve(file, "features", (layout.rows, manifest.dim), manifest.dtype)
            else:
                file.create_virtual_dataset("features", _virtual(stores, path, manifest))
        if copy:
            hdf5.take_space(temporary, temporary.stat().st_size)
            _copy_rows(stores, temporary)
    return content.hex()


def _virtual(stores: Sequence[Store], path: Path, manifest: Manifest) -> h5py.VirtualLayout:
    rows = [store.layout.rows for store in stores]
    made = h5py.VirtualLayout((sum(rows), manifest.dim), np.dtype(manifest.dtype).newbyteorder("<"))
    first = 0
    for store, count in zip(stores, rows, strict=True):
        if not store.path.resolve().is_relative_to(path.parent.resolve()):
            raise UsageError(
                f"{store.path} does not lie beside or below {path}, which a virtual store needs; use --copy"
            )
        name = store.path.resolve().relative_to(path.parent.resolve()).as_posix()
        shard_path(path, name)
        if count:
            made[first : first + count] = h5py.VirtualSource(name, "features", (count, manifest.dim))
        first += count
    return made


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
    told = differences(other.manifest, {f.name: getattr(one.manifest, f.name) for f in fields(Manifest)})
    if set(one.layout.columns) != set(other.layout.columns):
        told.append(f"it has the columns {sorted(other.layout.columns)}, expected {sorted(one.layout.columns)}")
    if told:
        raise DataError(f"{other.path} is not a shard of what {one.path} is of: {'; '.join(told)}")
