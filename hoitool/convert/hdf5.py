"""Arrays out of HDF5 files that somebody else made: nothing outside the file is read, and no more than it can hold."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.errors import DataError
from hoitool.files import reading, starts_with

SMALL = 64 * 2**20  # bytes that are read without asking
MOST_PACKED = 1100  # values are never packed more tightly than this, by any common filter
MAGIC = b"\x89HDF"
HEAP = b"GCOL\x01\0\0\0"  # how a heap of texts begins


def names_in(path: Path) -> set[str]:
    """The names at the top of an HDF5 file, none for any other file."""
    if not starts_with(path, MAGIC):
        return set()
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return set(file)
    except (OSError, ValueError, KeyError, RuntimeError):
        return set()


def require_whole(path: Path) -> None:
    """Raise DataError for an HDF5 file that does not open: one that was cut off."""
    if starts_with(path, MAGIC):
        import h5py

        with reading(path, "HDF5"):
            h5py.File(path, "r").close()


def array_in(file: Any, name: str) -> NDArray[Any]:
    """A dataset of an open file, texts as strings.

    Raises DataError for what is none, for links to other files, and for one that says it is more than the file has.
    """
    import h5py

    held = file.get(name) if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(held, h5py.Dataset) or held.shape is None or held.external:
        raise DataError(f"{file.filename}: {name!r} is no dataset of this file, expected one with values")
    stored = held.id.get_storage_size()
    if held.nbytes > max(SMALL, MOST_PACKED * stored):
        raise DataError(
            f"{file.filename}: {name!r} says it is {list(held.shape)}, for which the file has {stored} bytes"
        )
    text = h5py.check_string_dtype(held.dtype)
    if text is None:
        return np.asarray(held[()])
    if text.length is None:
        _require_heaps(Path(file.filename))
    return np.array(held.asstr()[()], object)


def _require_heaps(path: Path) -> None:
    """Raise DataError where texts lie in a damaged heap, in which the HDF5 library would go round for ever.

    A heap (`GCOL`) is a chain of objects, each of which says where the next one is: number (2 bytes), references (2),
    four bytes of nothing, size (8), and the object itself unless it is number 0, the free rest whose size holds its
    head. Source: HDF5 File Format Specification 3.0, III.E, Global Heap.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as held:
        at = held.find(HEAP)
        while at >= 0:
            end = min(at + struct.unpack_from("<Q", held, at + 8)[0], len(held)) if at + 16 <= len(held) else at
            place = at + 16
            while place + 16 <= end:
                number, size = struct.unpack_from("<H6xQ", held, place)
                step = size if number == 0 else 16 + -(-size // 8) * 8
                if step < 16:
                    raise DataError(
                        f"{path}: the texts from byte {at} on are damaged, a free place in them has no size"
                    )
                place += step
            at = held.find(HEAP, at + 1)
