"""Which images scene graphs are of: image_data.json of Visual Genome, image_id_to_filepath.json of Objects365.

Beside the scene graphs, each optional. image_data.json, a list: image_id, width, height and, as hoitool writes it where
the name of an image is not its id, file_name. image_id_to_filepath.json, an object from ids to paths, as RLIPv2 has it
for Objects365, may also lie in the folder above. Both are read as streams into a few numbers per image.
Source: visualgenome.org/api/v0/api_readme; RLIPv2's datasets/mixed_dataset.py.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert.fields import brief
from hoitool.convert.json_stream import items, members
from hoitool.convert.open_images import image_file
from hoitool.convert.scenes import Scene, integer, optional_text
from hoitool.data import Dataset, strings
from hoitool.data.image_ids import image_ids, trailing_number
from hoitool.errors import DataError
from hoitool.files import reading

Array = NDArray[Any]
IMAGES, PATHS = "image_data.json", "image_id_to_filepath.json"
LARGEST = int(np.iinfo(np.int32).max)


class Names:
    """Texts by number, in the memory of the texts alone."""

    def __init__(self, rows: Iterable[tuple[int, str]], where: str) -> None:
        """Raises DataError, naming `where`, for a number that stands twice."""
        numbers, ends, self.text = array("q"), array("q", [0]), bytearray()
        for number, name in rows:
            numbers.append(number)
            self.text += name.encode(errors="surrogatepass")
            ends.append(len(self.text))
        held = np.array(numbers, np.int64)
        self.order = np.argsort(held, kind="stable")
        self.numbers, self.ends = held[self.order], np.array(ends, np.int64)
        if (again := self.numbers[1:] == self.numbers[:-1]).any():
            raise DataError(f"{where}: the image {self.numbers[1:][again][0]} is named twice")

    def of(self, number: int) -> str | None:
        """The text of a number, None where it has none."""
        at = int(np.searchsorted(self.numbers, number))
        if at == len(self.numbers) or self.numbers[at] != number:
            return None
        row = int(self.order[at])
        return self.text[self.ends[row] : self.ends[row + 1]].decode(errors="surrogatepass")


@dataclass(frozen=True)
class ImageData:
    """What image_data.json says: ids (n,) and sizes (n, 2), width and height, in its order; names other than ids."""

    ids: Array
    size: Array
    names: Names
    order: Array

    def of(self, image: int) -> tuple[int, int]:
        """Width and height of an image, 0 where it is not listed."""
        at = int(np.searchsorted(self.ids, image, sorter=self.order))
        row = int(self.order[at]) if at < len(self.order) else -1
        found = row >= 0 and self.ids[row] == image
        return (int(self.size[row, 0]), int(self.size[row, 1])) if found else (0, 0)

    def key(self, row: int) -> str:
        """The key of the image in a row: its name, else its id."""
        number = int(self.ids[row])
        name = self.names.of(number)
        return str(number) if name is None else name


def image_data(folder: Path) -> ImageData | None:
    """image_data.json of a folder, None where there is none. Raises DataError naming image and field."""
    file = folder / IMAGES
    if not file.is_file():
        return None
    ids, sides = array("q"), array("q")
    names = Names(_rows(file, ids, sides), str(file))
    numbers = np.array(ids, np.int64)
    each_once(numbers, str(file))
    return ImageData(numbers, np.array(sides, np.int32).reshape(-1, 2), names, np.argsort(numbers))


def _rows(file: Path, ids: array[int], sides: array[int]) -> Iterator[tuple[int, str]]:
    """The images that are named, while ids, and width and height of each, are filled."""
    for i, row in enumerate(items(file, "image data")):
        where = f"{file}[{i}]"
        ids.append(integer(row, "image_id", where))
        for name in ("width", "height"):
            side = integer(row, name, where)
            if not 0 <= side <= LARGEST:
                raise DataError(f"{where}.{name} is {side}, expected 0..{LARGEST}")
            sides.append(side)
        key = optional_text(row, "file_name", where)
        if key is not None:
            yield ids[-1], key


def each_once(ids: Array, where: str) -> None:
    """Raise DataError for an image id that stands twice."""
    order = np.argsort(ids, kind="stable")
    again = np.flatnonzero(ids[order][1:] == ids[order][:-1])
    if len(again):
        row = int(order[again[0] + 1])
        raise DataError(f"{where}[{row}].image_id is {ids[row]}, which {where}[{order[again[0]]}] has too")


def paths(folder: Path) -> Names | None:
    """image_id_to_filepath.json of a folder or the one above, None where there is none. Raises DataError."""
    for file in (folder / PATHS, folder.resolve().parent / PATHS):
        if file.is_file():
            with reading(file, "paths of images"), file.open(encoding="utf-8-sig") as stream:
                return Names(_paths(file, members(stream)), str(file))
    return None


def _paths(file: Path, held: Iterator[tuple[str, Any]]) -> Iterator[tuple[int, str]]:
    for name, path in held:
        number = trailing_number(name)
        if number is None or str(number) != name or not isinstance(path, str):
            raise DataError(f"{file}: {brief(name)} is {brief(path)}, expected an image's id and its path")
        yield number, path


@dataclass(frozen=True)
class Known:
    """All that files beside scene graphs say of images."""

    data: ImageData | None
    paths: Names | None

    def size(self, image: int) -> tuple[int, int]:
        """Width and height of an image, 0 where they are not known."""
        return (0, 0) if self.data is None else self.data.of(image)

    def columns(self, scenes: Sequence[Scene]) -> dict[str, Array]:
        """Key, file name and, where image data are known, width and height of images (I,)."""
        named = [self._named(scene) for scene in scenes]
        made = {"key": strings([key for key, _ in named]), "file_name": strings([path for _, path in named])}
        if self.data is None:
            return made
        size = np.array([self.data.of(scene.image_id) for scene in scenes], np.int32).reshape(-1, 2)
        return made | {"width": size[:, 0].copy(), "height": size[:, 1].copy()}

    def _named(self, scene: Scene) -> tuple[str, str]:
        """Key and file name of an image: what is said of it, else as its dataset names its images, else its id."""
        key = scene.file_name
        if key is None and self.data is not None:
            key = self.data.names.of(scene.image_id)
        if key is not None:
            return key, image_file(key)
        if scene.dataset == "coco2017":
            name = f"{scene.image_id:012d}.jpg"
            return name, f"{scene.data_split}/{name}" if scene.data_split else name
        path = self.paths.of(scene.image_id) if self.paths is not None and scene.dataset == "o365" else None
        key = str(scene.image_id)
        return (key, image_file(key)) if path is None else (path.rpartition("/")[2], path)


def known_beside(folder: Path) -> Known:
    """What the files beside scene graphs in a folder say of images. Raises DataError."""
    return Known(image_data(folder), paths(folder))


def image_rows(data: Dataset) -> list[dict[str, Any]]:
    """The images of a part as image data; those whose key is not their id are named."""
    columns = (image_ids(data), data.need("width"), data.need("height"), data.key)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        {"image_id": number, "width": width, "height": height} | ({} if key == str(number) else {"file_name": key})
        for number, width, height, key in rows
    ]
