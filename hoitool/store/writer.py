"""Writing a store whose rows are known in number: in any order of blocks, killed at any moment, gone on with later.

The file is made in full size under the name `<name>.partial`. Each block goes to its place as bytes, reaches the disk,
and only then counts as made (`status`). `finish` computes the content hash and gives the file its name. The same plan
(manifest, keys, offsets, columns) opens an unfinished file again; another plan is refused.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import h5py
import numpy as np

from hoitool.data.dataset import Array
from hoitool.errors import DataError, HoitoolError, UsageError
from hoitool.files import atomic, reading, writing
from hoitool.store import hdf5
from hoitool.store.layout import (
    CONTENT,
    DIGEST,
    FAILED,
    MADE,
    PICTURE,
    TO_DO,
    Layout,
    check,
    content_hash,
    digest,
    plan_hash,
)
from hoitool.store.manifest import Manifest, parse, unlike

PARTIAL = ".partial"
PLACES = ("features", "status", "digest", "content")


def partial_path(path: Path) -> Path:
    """Where the unfinished store of a name lies."""
    return path.with_name(path.name + PARTIAL)


class Writer:
    """One writer of one file. Use it as a context manager; leaving it keeps the unfinished file."""

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        layout: Layout,
        run: dict[str, Any] | None = None,
        pictures: bool = False,
    ) -> None:
        """Make the file, or open an unfinished one of the same plan; `run` (JSON-ready) is kept beside the manifest.

        pictures: whether `write` is told the sizes of the pictures.

        Raises UsageError for an unfinished file of another plan, HoitoolError for too little space or one that
        another process writes to, DataError for columns that do not go together.
        """
        check(layout, str(path))
        self.path, self.layout = path, layout
        self.manifest = parse(manifest.dump(), str(path))
        self.partial = partial_path(path)
        self.plan = plan_hash(manifest, layout)
        self._sized = pictures
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with _alone(path.parent):
                if not self.partial.exists():
                    self._create(run or {})
            self._stream: BinaryIO = self.partial.open("r+b", buffering=0)
        try:
            _lock(self._stream, self.partial)
            self._resume()
        except DataError as error:
            self._stream.close()
            raise DataError(f"{error}; --overwrite starts anew") from error
        except BaseException:
            self._stream.close()
            raise

    def _resume(self) -> None:
        """Take up what the unfinished file says: how it was begun, where its datasets lie, what is made."""
        with reading(self.partial, hdf5.WHAT), hdf5.open_file(self.partial) as file:
            self._require_same(file)
            self.run: dict[str, Any] = json.loads(hdf5.attribute(file, hdf5.RUN))
            self.status = hdf5.read_head(file, self.partial).status
            self.digests = hdf5.read(file, "digest", self.partial)
            names = (*PLACES, PICTURE) if PICTURE in file else PLACES
            self._at = {name: _offset(file, name, self.partial) for name in names}
            self.pictures = hdf5.read(file, PICTURE, self.partial) if PICTURE in file else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stream.close()

    @property
    def left(self) -> Array:
        """(I,) whether an image is still to be made."""
        waiting: Array = self.status == TO_DO
        return waiting

    def again(self, images: Array) -> None:
        """Have images (places) made again, whatever became of them."""
        if not len(images):
            return
        status = self.status.copy()
        status[images] = TO_DO
        with writing(self.partial):
            self._put("content", 0, np.zeros(CONTENT, np.uint8))
            self._put("status", 0, status)
        self.status = status

    def write(self, first: int, rows: list[Array | None], pictures: list[int] | None = None) -> None:
        """The rows (r, dim) of images first, first + 1, ...; None for one that could not be made.

        pictures: the size in bytes of the file of each, -1 where it is not known.

        Raises HoitoolError when the file cannot be written; what was written before stays.
        """
        last, offsets = first + len(rows), self.layout.offsets
        dtype = np.dtype(self.manifest.dtype).newbyteorder("<")
        block = np.full((int(offsets[last] - offsets[first]), self.manifest.dim), np.nan, dtype)
        status = np.full(len(rows), MADE, np.uint8)
        digests = np.empty((len(rows), DIGEST), np.uint8)
        for i, made in enumerate(rows):
            start, stop = (offsets[first + i : first + i + 2] - offsets[first]).tolist()
            if made is None:
                status[i] = FAILED
            elif made.shape != (stop - start, self.manifest.dim):
                raise ValueError(f"image {first + i}: rows {made.shape}, expected {(stop - start, self.manifest.dim)}")
            else:
                block[start:stop] = self._stored(first + i, made)
            digests[i] = np.frombuffer(digest(block[start:stop]), np.uint8)
        try:
            self._put("features", int(offsets[first]) * self.manifest.dim * dtype.itemsize, block)
            self._put("digest", first * DIGEST, digests)
            if pictures is not None and self.pictures is not None:
                self.pictures[first:last] = pictures
                self._put(PICTURE, 8 * first, self.pictures[first:last].astype("<i8"))
            os.fsync(self._stream.fileno())
            self._put("status", first, status)
        except OSError as error:
            raise HoitoolError(
                f"{self.partial}: could not be written ({error.strerror}); what was made is kept: make room, then run "
                "the same command again"
            ) from error
        self.status[first:last], self.digests[first:last] = status, digests

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
        content = content_hash(self.manifest.dump(), self.layout, self.status, self.digests)
        with writing(self.path):
            self._put("content", 0, np.frombuffer(content, np.uint8))
            os.fsync(self._stream.fileno())
            if not os.path.samestat(os.fstat(self._stream.fileno()), self.partial.stat()):
                raise OSError(errno.ESTALE, "another file took the place of the unfinished one")
            self.partial.replace(self.path)
        return content.hex()

    def _put(self, name: str, byte: int, values: Array) -> None:
        left = memoryview(np.ascontiguousarray(values).tobytes())
        self._stream.seek(self._at[name] + byte)
        while len(left):
            left = left[self._stream.write(left) :]

    def _create(self, run: dict[str, Any]) -> None:
        rows, images = self.layout.rows, len(self.layout)
        with atomic(self.partial) as temporary:
            hdf5.take_space(
                temporary, hdf5.size(self.manifest, self.layout)
            )  # HDF5 itself does not survive a full disk
            with hdf5.create(temporary) as file:
                hdf5.describe(file, self.manifest, self.layout, run, self.plan)
                hdf5.reserve(file, "features", (rows, self.manifest.dim), self.manifest.dtype)
                for name, shape in (("status", (images,)), ("digest", (images, DIGEST)), ("content", (CONTENT,))):
                    file.create_dataset(name, data=np.zeros(shape, np.uint8))
                if self._sized:
                    file.create_dataset(PICTURE, data=np.full(images, -1, "<i8"))
            hdf5.take_space(temporary, temporary.stat().st_size)

    def _require_same(self, file: h5py.File) -> None:
        if hdf5.attribute(file, hdf5.PLAN) == self.plan:
            return
        held = parse(hdf5.attribute(file, hdf5.ATTRIBUTE), str(self.partial))
        told = unlike(held, self.manifest) or ["it is of other images or boxes"]
        raise UsageError(
            f"{self.partial} is the unfinished work of another command: {'; '.join(told)}. Finish that one, or start "
            "anew with --overwrite"
        )


def reopen(path: Path) -> None:
    """Make a finished store an unfinished one again, for a Writer to go on with. Not for a virtual one."""
    with writing(path):
        path.replace(partial_path(path))


def discard(path: Path) -> None:
    """Remove the unfinished store of a name. Raises HoitoolError while another process writes it."""
    with contextlib.suppress(FileNotFoundError), partial_path(path).open("rb") as stream:
        _lock(stream, partial_path(path))
        partial_path(path).unlink()


def _offset(file: h5py.File, name: str, path: Path) -> int:
    """Where the bytes of a dataset begin. DataError for one that is not contiguous, or not wholly in the file."""
    held = hdf5.dataset(file, name, path)
    at = held.id.get_offset()
    if not held.size:
        return 0
    if at is None or at + held.nbytes > path.stat().st_size:
        raise DataError(f"{path}: {name} has no place of its own in the file")
    return int(at)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time makes an unfinished file in a folder, where the system knows how."""
    try:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):  # Windows; a folder that cannot be opened
        yield
        return
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _lock(stream: BinaryIO, path: Path) -> None:
    """One writer at a time, where the system knows how."""
    try:
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise HoitoolError(f"{path}: another process is writing it; wait for it, or stop it") from None
    except (ImportError, OSError):  # Windows; a file system without locks
        return
