"""Any pictures as the images to predict for: folders, files, or several of them; there are no annotations.

An image is called by its path below the folder given, of several the one that all are in, so that names are unique;
images are in name order. Below a folder a picture is what has a picture's suffix, hidden files and folders are passed
over; a file that is named itself is a picture whatever it is called. Sizes come from the files' heads, nothing is
decoded. Pixels are taken as they are stored (embed/pictures.py): how many a camera noted to be turned is told.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from hoitool.data import Dataset, Meta, no_pairs, strings
from hoitool.data.meta import LabelKind
from hoitool.embed.pictures import SUFFIXES, Album, Pictures, quiet
from hoitool.errors import DataError, HoitoolError, MissingData, first_line
from hoitool.labels import LabelSpace
from hoitool.progress import progress

ORIENTATION = 0x0112  # the tag of EXIF; 1: as it is stored
READERS = 8  # threads: heads are short, and a file may lie far away


@dataclass(frozen=True)
class Head:
    """What the head of a picture's file says, or why it cannot be read."""

    width: int = 0
    height: int = 0
    turned: bool = False
    problem: str = ""


class Images(NamedTuple):
    """Images with their pictures, notes (a line each), and name -> why of those that were left out."""

    data: Dataset
    album: Album
    notes: list[str]
    broken: dict[str, str]


def images_in(
    paths: Sequence[Path], labels: LabelSpace, label_kind: LabelKind = "interactions", skip_broken: bool = False
) -> Images:
    """The pictures below folders, and those named, as images without annotations.

    skip_broken  leave pictures out whose head cannot be read
    Raises MissingData for a path that is not there and where there are no pictures, DataError for a broken picture.
    """
    given = [Path(os.path.normpath(path.absolute())) for path in paths]
    found, others = _pictures(given)
    root = Path(os.path.commonpath([path if path.is_dir() else path.parent for path in given]))
    names = sorted(path.relative_to(root).as_posix() for path in found)
    with quiet(), ThreadPoolExecutor(READERS) as pool:
        heads = list(progress(pool.map(head, (root / name for name in names)), "reading sizes", len(names)))
    pairs = list(zip(names, heads, strict=True))
    broken = {printable(name): f"{root / name}: {each.problem}" for name, each in pairs if each.problem}
    first = next(iter(broken.values()), "")
    if broken and not skip_broken:
        raise DataError(f"{first}; --skip-broken leaves such files out")
    kept = [(name, each) for name, each in pairs if not each.problem]
    if not kept:
        raise DataError(f"{first}; none of {len(broken)} can be read")
    images = _dataset(kept, Meta(labels, root.name.lstrip("."), label_kind=label_kind, box_frame="continuous"))
    turned = [name for name, each in kept if each.turned]
    album = Album([name for name, _ in kept], images.key, Pictures(root))
    return Images(images, album, _notes(others, turned), broken)


def printable(name: str) -> str:
    """A name that any file can hold: what is no text in it becomes an escape."""
    return name.encode("utf-8", "backslashreplace").decode()


def head(path: Path) -> Head:
    """The size of a picture, and whether its camera noted that it is turned, without decoding it."""
    try:
        str(path).encode()  # a name in another encoding can be in no data file
        with Image.open(path) as picture:
            turned = bool(picture.info.get("exif")) and picture.getexif().get(ORIENTATION, 1) != 1
            return Head(picture.width, picture.height, turned)
    except UnidentifiedImageError:
        return Head(problem="not a picture, by its first bytes")
    except Exception as error:  # decoders raise all kinds
        return Head(problem=f"not readable as a picture ({first_line(error)})")


def _pictures(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The pictures that paths mean, each once, and what else lies below the folders."""
    found: dict[Path, None] = {}
    others: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            for file in _files(path):
                (found if file.suffix.lower() in SUFFIXES else others)[file] = None
        elif path.exists():
            found[path] = None
        else:
            raise MissingData(f"{path}: no such file or folder (pictures expected)")
    if not found:
        raise MissingData(f"{', '.join(map(str, paths))}: no pictures there ({', '.join(sorted(SUFFIXES))})")
    return list(found), [path for path in others if path not in found]


def _files(folder: Path) -> Iterator[Path]:
    """The files below a folder that are not hidden."""
    for inside, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(inside) / name for name in names if not name.startswith("."))


def _refuse(error: OSError) -> None:
    raise HoitoolError(f"{error.filename}: {error.strerror} (a folder of pictures expected)") from error


def _dataset(kept: list[tuple[str, Head]], meta: Meta) -> Dataset:
    names = strings([name for name, _ in kept])
    width, height = (np.array([getattr(each, side) for _, each in kept], np.int32) for side in ("width", "height"))
    return Dataset(meta=meta, key=names, file_name=names, width=width, height=height, **no_pairs(len(kept)))


def _notes(others: list[Path], turned: list[str]) -> list[str]:
    made = []
    if others:
        made.append(f"passed over {len(others):,} files that are no pictures, such as {min(others)}")
    if turned:
        made.append(
            f"{len(turned):,} pictures are turned by their camera's note (EXIF) and are taken as they are stored, the "
            f"first {turned[0]!r}"
        )
    return made
