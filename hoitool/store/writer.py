"""Writing a store whose rows are known in number: in any order of blocks, killed at any moment, gone on with later.

The file is made in full size under the name `<name>.partial`. Each block goes to its place as bytes, reaches the disk,
and only then counts as made (`status`). `finish` computes the content hash and gives the file its name. The same plan
(manifest, keys, offsets, columns) opens an unfinished file again; another plan is refused.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import h5py
import numpy as np

from hoitool.data.dataset import Array
from hoitool.errors import DataError, HoitoolError, UsageError
from hoitool.files import atomic
from hoitool.store import hdf5
from hoitool.store.layout import FAILED, MADE, TO_DO, Layout, check, content_hash, digest, plan_hash
from hoitool.store.manifest import Manifest, differences, parse

PARTIAL = ".partial"


def partial_path(path: Path) -> Path:
    """Where the unfinished store of a name lies."""
    return path.with_name(path.name + PARTIAL)


class Writer:
    """One writer of one file. Use it as a context manager; leaving it keeps the unfinished file."""

    def __init__(self, path: Path, manifest: Manifest, layout: Layout, run: dict[str, Any] | None = None) -> None:
        """Make the file, or open an unfinished one of the same plan; `run` (JSON-ready) is kept beside the manifest.

        Raises UsageError for an unfinished file of another plan, HoitoolError for too little space or one that
        another process writes to, DataError for columns that do not go together.
        """
        check(layout, str(path))
        self.path, self.manifest, self.layout = path, manifest, layout
        self.partial = partial_path(path)
        self.plan = plan_hash(manifest, layout)
        if not self.partial.exists():
            self._create(run or {})
        self._stream: BinaryIO = self.partial.open("r+b", buffering=0)
        _lock(self._stream, self.partial)
        with hdf5.open_file(self.partial) as file:
            self._require_same(file)
            self.run: dict[str, Any] = json.loads(file.attrs[hdf5.RUN])
            self._at = {name: file[name].id.get_offset() or 0 for name in ("features", "status", "digest", "content")}
            self.status, self.digests, _ = hdf5.state(file, len(layout), self.partial)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stream.close()

    @property
    def left(self) -> Array:
        """(I,) whether an image is still to be made."""
        waiting: Array = self.status == TO_DO
        return waiting

    def write(self, first: int, rows: list[Array | None]) -> None:
        """The rows (r, dim) of images first, first + 1, ...; None for one that could not be made.

        Raises HoitoolError when the file cannot be written; what was written before stays.
        """
        last, offsets = first + len(rows), self.layout.offsets
        dtype = np.dtype(self.manifest.dtype).newbyteorder("<")
        block = np.full((int(offsets[last] - offsets[first]), self.manifest.dim), np.nan, dtype)
        for image, made in enumerate(rows, first):
            start, stop = (offsets[image : image + 2] - offsets[first]).tolist()
            if made is not None:
                if made.shape != (stop - start, self.manifest.dim):
                    raise ValueError(f"image {image}: rows {made.shape}, expected {(stop - start, self.manifest.dim)}")
                block[start:stop] = self._stored(image, made)
            self.status[image] = FAILED if made is None else MADE
            self.digests[image] = np.frombuffer(digest(block[start:stop]), np.uint8)
        width = self.manifest.dim * dtype.itemsize
        try:
            self._put("features", int(offsets[first]) * width, block)
            self._put("digest", first * self.digests.shape[1], self.digests[first:last])
            os.fsync(self._stream.fileno())
            self._put("status", first, self.status[first:last])
        except OSError as error:
            raise HoitoolError(
                f"{self.partial}: could not be written ({error.strerror}); what was made is kept: make room, then run "
                "the same command again"
            ) from error

    def _stored(self, image: int, rows: Array) -> Array:
        """Rows in the store's precision. DataError, naming the image, for numbers that are none or do not fit."""
        with np.errstate(over="ignore"):
            made = rows.astype(self.manifest.dtype)
        if np.isfinite(made).all():
            return made
        lost = (
            "do not fit float16; store float32" if np.isfinite(rows).all() else "are not finite; try --precision fp32"
        )
        raise DataError(f"{self.path}: the rows of {self.layout.key[image]!r} {lost}")

    def finish(self) -> str:
        """Give the file its name; return its content hash. Raises ValueError while images are still to be made."""
        if self.left.any():
            raise ValueError(f"{self.partial}: {int(self.left.sum())} images are still to be made")
        content = content_hash(self.manifest, self.layout, self.status, self.digests)
        try:
            self._put("content", 0, np.frombuffer(content, np.uint8))
            os.fsync(self._stream.fileno())
            self.partial.replace(self.path)
        except OSError as error:
            raise HoitoolError(f"{self.path}: could not be written ({error.strerror})") from error
        return content.hex()

    def _put(self, name: str, byte: int, values: Array) -> None:
        left = memoryview(np.ascontiguousarray(values).tobytes())
        self._stream.seek(self._at[name] + byte)
        while len(left):
            left = left[self._stream.write(left) :]

    def _create(self, run: dict[str, Any]) -> None:
        rows, images = self.layout.rows, len(self.layout)
        with atomic(self.partial) as temporary:
            with h5py.File(temporary, "w") as file:
                hdf5.describe(file, self.manifest, self.layout, run, self.plan)
                hdf5.reserve(file, "features", (rows, self.manifest.dim), self.manifest.dtype)
                for name, values in (("status", np.zeros(images, np.uint8)), ("content", np.zeros(32, np.uint8))):
                    file.create_dataset(name, data=values)
                file.create_dataset("digest", data=np.zeros((images, 16), np.uint8))
            hdf5.take_space(temporary, temporary.stat().st_size)

    def _require_same(self, file: h5py.File) -> None:
        if file.attrs.get(hdf5.PLAN) == self.plan:
            return
        held = parse(str(file.attrs.get(hdf5.ATTRIBUTE)), str(self.partial))
        wanted = {name: getattr(self.manifest, name) for name in self.manifest.__dataclass_fields__}
        told = differences(held, wanted) or ["it is of other images or boxes"]
        self._stream.close()
        raise UsageError(
            f"{self.partial} is the unfinished work of another command: {'; '.join(told)}. Finish that one, or start "
            "anew with --overwrite"
        )


def discard(path: Path) -> None:
    """Remove the unfinished store of a name."""
    partial_path(path).unlink(missing_ok=True)


def _lock(stream: BinaryIO, path: Path) -> None:
    """One writer at a time, where the system knows how."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        return
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        raise HoitoolError(f"{path}: another process is writing it; wait for it, or stop it") from None
    except OSError:  # a file system without locks
        return
