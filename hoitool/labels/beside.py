"""The label space that a file names: a packaged one, or the one stored beside the file as labels-<hash>.json."""

from __future__ import annotations

from pathlib import Path

from hoitool.errors import DataError, MissingData
from hoitool.files import reading
from hoitool.labels import LABEL_SPACES, LabelSpace, difference, load_labels, parse


def labels_of_file(name: str, digest: str, path: Path) -> LabelSpace:
    """The label space of that name: packaged, else in the folder of `path`, named by its hash.

    It may be another one than the hash says: compare. Raises MissingData where there is none, DataError for a file
    that is no label space.
    """
    if name in LABEL_SPACES:
        return load_labels(name)
    beside = _beside(path.parent, digest)
    if not beside.is_file():
        raise MissingData(f"{path}: its label space {name!r} is neither packaged nor beside it ({beside.name})")
    with reading(beside, "a label space"):
        text = beside.read_text(encoding="utf-8")
    return parse(text, str(beside))


def write_labels(space: LabelSpace, folder: Path) -> None:
    """Store a label space that is not packaged beside the files of a folder that name it.

    Raises DataError for another one than the packaged of its name.
    """
    if space.name not in LABEL_SPACES:
        space.save(_beside(folder, space.hash))
        return
    differs = difference(load_labels(space.name), space.summary())
    if differs:
        raise DataError(f"{differs}; give your own label space another name")


def _beside(folder: Path, digest: str) -> Path:
    return folder / f"labels-{digest[:12]}.json"
