"""Pictures: where the file of an image lies, and its pixels as RGB.

Pixels are as they are stored: the orientation that a camera noted (EXIF) is not applied, since annotations of HICO-DET,
COCO and the others are of the stored pixels. Grey of 16 bits is scaled to 8; transparency is left out.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from hoitool.data import Dataset, strings
from hoitool.data.dataset import Array
from hoitool.errors import DataError, MissingData

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm"}
TRIED = 100  # images that are looked for before work starts


class Pictures:
    """The image files below a folder: by their path in it, else by their name wherever it is below."""

    def __init__(self, folder: Path) -> None:
        """Raises MissingData when the folder is not there."""
        if not folder.is_dir():
            raise MissingData(f"{folder}: no such folder (images expected); name theirs with --images")
        self.folder = folder

    def path(self, name: str) -> Path:
        """The file of an image. Raises MissingData where there is none, DataError where several have its name."""
        direct = self.folder / name
        if direct.is_file():
            return direct
        found = self._by_name.get(Path(name).name, [])
        if len(found) == 1:
            return found[0]
        if found:
            raise DataError(f"{self.folder}: {len(found)} files are called {Path(name).name!r}, such as {found[0]}")
        raise MissingData(f"{direct}: no such image")

    def open(self, name: str) -> Image.Image:
        """An image as RGB. Raises MissingData, and DataError when it cannot be decoded."""
        return open_rgb(self.path(name))

    def size(self, name: str) -> int:
        """The size of an image's file in bytes, -1 where there is none."""
        try:
            return self.path(name).stat().st_size
        except (MissingData, DataError, OSError):
            return -1

    def require_any(self, names: list[str]) -> None:
        """Raise MissingData when none of the first images is there: the folder is a wrong one."""
        for name in names[:TRIED]:
            try:
                self.path(name)
            except (MissingData, DataError):
                continue
            return
        if names:
            raise MissingData(
                f"{self.folder}: holds none of the images, such as {names[0]!r}; name their folder with --images"
            )

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        made: dict[str, list[Path]] = {}
        for folder, _, names in os.walk(self.folder):
            for name in names:
                made.setdefault(name, []).append(Path(folder) / name)
        return made


def open_rgb(path: Path) -> Image.Image:
    """A picture as RGB, decoded in full. Raises DataError when it cannot be."""
    try:
        with Image.open(path) as picture:
            return _rgb(picture)
    except FileNotFoundError as error:
        raise MissingData(f"{path}: no such image") from error
    except Exception as error:  # decoders raise all kinds
        cause = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"{path}: not readable as a picture ({cause})") from error


def _rgb(picture: Image.Image) -> Image.Image:
    """A picture as RGB. Raises ValueError for one of real numbers, of which nobody says what is white."""
    if picture.mode == "F":
        raise ValueError("its pixels are real numbers, expected 8 or 16 bits")
    if picture.mode.startswith("I"):  # 16 bits, which Pillow cuts off at 255 in place of scaling them
        grey = np.clip(np.asarray(picture).astype(np.int64) >> 8, 0, 255)
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    return picture.convert("RGB")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without Pillow's remarks on profiles and palettes, which change no pixel. For one thread: filters are global."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
        yield


@dataclass(frozen=True, eq=False)
class Album:
    """Images by place: their file names, what a store calls them (I,), and where their files are."""

    names: list[str]
    keys: Array
    pictures: Pictures

    def open(self, image: int) -> Image.Image:
        """An image as RGB. Raises MissingData, and DataError when it cannot be decoded."""
        return self.pictures.open(self.names[image])

    def size(self, image: int) -> int:
        """The size of an image's file in bytes, -1 where there is none."""
        return self.pictures.size(self.names[image])


def album_of(data: Dataset, folder: Path) -> Album:
    """The images of a dataset, by file name where it has them, else by key. MissingData where none is in the folder."""
    held = data.key if data.file_name is None else data.file_name
    names = [str(name) for name in held.tolist()]
    pictures = Pictures(folder)
    pictures.require_any(names)
    return Album(names, data.key, pictures)


def album_in(folder: Path) -> Album:
    """The pictures below a folder, called by their paths in it, in name order. Raises MissingData for none."""
    pictures = Pictures(folder)
    found = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    if not found:
        raise MissingData(f"{folder}: holds no pictures ({', '.join(sorted(SUFFIXES))})")
    return Album(found, strings(found), pictures)
