"""Image files: whether they are there, are images with all their pixels, and have the size that was annotated.

A file is looked for at its name (`file_name`, else the key) below the image folder, and else by its last part in the
folders below it, where only one file has that name. Names that lead out of the folder are not followed.
Size: width x height of the stored pixels. EXIF may ask viewers to turn them by 90 degrees; Pillow does not do it when
it opens a file, OpenCV does.
"""

from __future__ import annotations

import hashlib
import io
import os
import posixpath
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from hoitool.data.dataset import Array, Dataset
from hoitool.data.quality.finding import Findings, of_rows
from hoitool.errors import MissingData
from hoitool.progress import progress

ORIENTATION, QUARTER_TURNS = 0x0112, frozenset({5, 6, 7, 8})  # EXIF


@dataclass(frozen=True)
class Look:
    """What an image file is. `problem` says why there is no size, `missing` that there is no file at all."""

    width: int = 0
    height: int = 0
    orientation: int = 1
    digest: bytes = b""
    problem: str = ""
    missing: bool = False

    @property
    def turned(self) -> bool:
        """Whether EXIF turns the image by 90 degrees, so that width and height change places."""
        return self.orientation in QUARTER_TURNS


@dataclass(frozen=True)
class Files:
    """The images of each part, one look per image in its order; `elsewhere` were found in folders below by name."""

    looks: list[list[Look]]
    elsewhere: int = 0


def look_at_files(parts: Sequence[Dataset], folder: Path) -> Files:
    """Look at every image of the parts in a folder, each file once. Raises MissingData where it is no folder."""
    if not folder.is_dir():
        raise MissingData(f"{folder}: no such folder (images expected)")
    names = [[_inside(name) for name in _file_names(part)] for part in parts]
    wanted = list(dict.fromkeys(name for part in names for name in part if name))
    paths = {name: folder / name for name in wanted}
    absent = [name for name in wanted if not paths[name].is_file()]
    found = _by_last_part(folder, absent) if absent else {}
    paths.update(found)
    looks = dict(zip(wanted, _look_at_all([paths[name] for name in wanted]), strict=True))
    looks[""] = Look(problem="its name leads out of the image folder", missing=True)
    return Files([[looks[name] for name in part] for part in names], len(found))


def _file_names(data: Dataset) -> list[str]:
    if data.file_name is None:
        return [str(key) for key in data.key]
    return [file or key for file, key in zip(data.file_name.tolist(), data.key.tolist(), strict=True)]


def _inside(name: str) -> str:
    """A name as a path below the image folder, '' where it leads out of it or is no path."""
    path = posixpath.normpath(name.replace("\\", "/"))
    outside = path.startswith("/") or path.split("/")[0] in ("..", ".") or PurePosixPath(path).parts[0][1:2] == ":"
    return "" if outside or "\0" in path else path


def _by_last_part(folder: Path, names: list[str]) -> dict[str, Path]:
    """The files anywhere below the folder that have the last part of a name, where there is one only."""
    held: dict[str, Path | None] = {posixpath.basename(name): None for name in names}
    several = set()
    for at, _, files in os.walk(folder):
        for file in held.keys() & set(files):
            if held[file] is not None:
                several.add(file)
            held[file] = Path(at) / file
    found = {name: held[posixpath.basename(name)] for name in names if posixpath.basename(name) not in several}
    return {name: path for name, path in found.items() if path is not None}


def _look_at_all(paths: list[Path]) -> list[Look]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd files; what stops it is an error
        pool = ThreadPoolExecutor()
        try:
            return list(progress(pool.map(look_at, paths), "looking at images", len(paths)))
        finally:
            pool.shutdown(cancel_futures=True)


def look_at(path: Path) -> Look:
    """One file, all of its pixels decoded."""
    from PIL import Image

    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Look(problem="no such file", missing=True)
    except OSError as error:
        return Look(problem=f"cannot be read ({error.strerror or error})")
    digest = hashlib.sha256(content).digest()
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            return Look(*image.size, int(image.getexif().get(ORIENTATION, 1)), digest)
    except Exception as error:  # whatever a foreign file makes a decoder raise
        return Look(problem=_cause(error, content), digest=digest)


def _cause(error: Exception, content: bytes) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "is no image" if content else "is an empty file"
    return f"does not decode ({str(error).splitlines()[0] if str(error) else type(error).__name__})"


def check_files(data: Dataset, looks: list[Look]) -> list[Findings]:
    """Images that are missing, unreadable, of another size, or turned by EXIF; needs a look per image."""
    stated = _stated(data)
    held = np.array([(look.width, look.height) for look in looks], np.int64).reshape(-1, 2)
    missing = np.array([look.missing for look in looks], bool)
    broken = np.array([bool(look.problem) for look in looks], bool) & ~missing
    turned = np.array([look.turned for look in looks], bool)
    known = (stated > 0).all(axis=1) & ~missing & ~broken
    differs = np.flatnonzero(known & (stated != held).any(axis=1))
    absent, unread, rotated = np.flatnonzero(missing), np.flatnonzero(broken), np.flatnonzero(turned)

    def size(i: int) -> str:
        row = differs[i]
        told = f"the file is {held[row, 0]} x {held[row, 1]}, stated is {stated[row, 0]} x {stated[row, 1]}"
        fits = turned[row] and (stated[row] == held[row, ::-1]).all()
        return f"{told}: that of the image as EXIF turns it" if fits else told

    def rotation(i: int) -> str:
        row = rotated[i]
        return f"EXIF orientation {looks[row].orientation} turns {held[row, 0]} x {held[row, 1]} by 90 degrees"

    def problem(rows: Array) -> Callable[[int], str]:
        return lambda i: looks[rows[i]].problem

    return [
        *of_rows(data, "image-missing", absent, problem(absent)),
        *of_rows(data, "image-unreadable", unread, problem(unread)),
        *of_rows(data, "image-size", differs, size),
        *of_rows(data, "image-rotated", rotated, rotation),
    ]


def check_sizes(data: Dataset, looks: list[Look] | None = None) -> list[Findings]:
    """Images of unknown size, with that of their files where that can be taken; predictions need none."""
    if data.kind == "predictions":
        return []
    rows = np.flatnonzero((_stated(data) <= 0).any(axis=1))
    sizes = file_sizes(data, looks) if looks is not None else np.zeros((len(data), 2), np.int32)

    def tell(i: int) -> str:
        width, height = sizes[rows[i]]
        return f"its file is {width} x {height}" if width else "its size is not known"

    return of_rows(data, "size-unknown", rows, tell)


def file_sizes(data: Dataset, looks: list[Look]) -> Array:
    """(I, 2) int32 widths and heights: as stated, else of the file, 0 where neither is known or EXIF turns it."""
    made = _stated(data)
    for row in np.flatnonzero((made <= 0).any(axis=1)).tolist():
        if not looks[row].problem and not looks[row].turned:
            made[row] = looks[row].width, looks[row].height
    return made


def _stated(data: Dataset) -> Array:
    if data.width is None or data.height is None:
        return np.zeros((len(data), 2), np.int32)
    return np.stack([data.width, data.height], axis=1)


def check_contents(parts: Sequence[Dataset], files: Files) -> list[Findings]:
    """Images whose files hold the same bytes as that of an earlier image of another name, in any part."""
    first: dict[bytes, tuple[str, str]] = {}
    found = []
    for data, looks in zip(parts, files.looks, strict=True):
        names, earlier = _file_names(data), {}
        for row, (look, name) in enumerate(zip(looks, names, strict=True)):
            at = first.setdefault(look.digest, (name, f"{data.key[row]!r} in {data.meta.subset!r}"))
            if look.digest and at[0] != name:
                earlier[row] = f"same bytes as {at[1]}"
        rows = np.array(list(earlier), np.int64)
        found += of_rows(data, "image-same-file", rows, list(earlier.values()).__getitem__)
    return found
