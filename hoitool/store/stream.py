"""Writing a store whose rows are not known in number: block by block, each a file of its own until the end.

A block is a finished store in `<name>.blocks/`; a writer that is killed loses the block it was at. `finish` joins them
into a chunked file, to which rows could still be added, and removes the folder: for that moment the rows lie on the
disk twice.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np

from hoitool.data.dataset import Array
from hoitool.errors import UsageError
from hoitool.files import atomic, writing
from hoitool.store import hdf5
from hoitool.store.layout import Layout, check, concat, content_hash, plan_hash
from hoitool.store.manifest import Manifest, unlike
from hoitool.store.reader import Store
from hoitool.store.writer import Writer, discard


class Stream:
    """A writer of blocks; `blocks` says how many an earlier one left."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        """Open the folder of blocks. Raises UsageError where it holds blocks of another manifest."""
        self.path, self.manifest = path, manifest
        self.folder = path.with_name(path.name + ".blocks")
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        self._blocks = sorted(self.folder.glob("*.h5"))
        if [block.name for block in self._blocks] != [f"{i:09d}.h5" for i in range(self.blocks)]:
            raise UsageError(f"{self.folder} holds other files than its first blocks; remove it")
        if self._blocks and (told := unlike(Store(self._blocks[0]).manifest, manifest)):
            raise UsageError(f"{self.folder} holds blocks of another command: {'; '.join(told)}; remove it")

    @property
    def blocks(self) -> int:
        """How many blocks are written: where a writer that was killed goes on."""
        return len(self._blocks)

    def append(self, layout: Layout, rows: Array) -> None:
        """Write the next block: rows (R, dim) with their keys, offsets and columns."""
        target = self.folder / f"{self.blocks:09d}.h5"
        if target.exists():
            raise UsageError(f"{target}: another process is writing it; wait for it, or stop it")
        discard(target)
        with Writer(target, self.manifest, layout) as writer:
            writer.write(0, [rows[a:b] for a, b in zip(layout.offsets[:-1], layout.offsets[1:], strict=True)])
            writer.finish()
        self._blocks.append(target)

    def finish(self) -> str:
        """Join the blocks into the store; return its content hash. Raises UsageError when there is no block."""
        if not self._blocks:
            raise UsageError(f"{self.path}: no block was written")
        stores = [Store(block) for block in self._blocks]
        layout = concat([store.layout for store in stores])
        check(layout, str(self.path))
        status, digests = (np.concatenate([getattr(s, name) for s in stores]) for name in ("status", "digests"))
        content = content_hash(self.manifest.dump(), layout, status, digests)
        with atomic(self.path) as temporary, hdf5.create(temporary) as file:
            hdf5.describe(file, self.manifest, layout, {}, plan_hash(self.manifest, layout))
            for name, values in {"status": status, "digest": digests}.items():
                file.create_dataset(name, data=values)
            self._join(file, stores)
            file.create_dataset("content", data=np.frombuffer(content, np.uint8))
        for block in reversed(self._blocks):  # what a kill leaves are still the first blocks
            block.unlink()
        shutil.rmtree(self.folder)
        return content.hex()

    def _join(self, file: h5py.File, stores: list[Store]) -> None:
        dtype = np.dtype(self.manifest.dtype).newbyteorder("<")
        chunk = (max(1, hdf5.CHUNK // max(1, self.manifest.dim * dtype.itemsize)), self.manifest.dim)
        held = file.create_dataset(
            "features", (0, self.manifest.dim), dtype, maxshape=(None, self.manifest.dim), chunks=chunk
        )
        for store in stores:
            first = len(held)
            held.resize(first + store.layout.rows, axis=0)
            held[first:] = store.rows(0, store.layout.rows)
