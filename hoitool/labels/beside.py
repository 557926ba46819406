"""The label space that a file names: a packaged one, or the one stored beside the file as labels-<hash>.json."""

from __future__ import annotations

from pathlib import Path

from hoitool.errors import MissingData
from hoitool.files import reading
from hoitool.labels import LABEL_SPACES, LabelSpace, load_labels, parse


def labels_of_file(name: str, digest: str, path: Path) -> LabelSpace:
    """The label space of that name: packaged, else in the folder of `path`, named by its hash.

    It may be another one than the hash says: compare. Raises MissingData where there is none, DataError for a file
    that is no label space.
    """
    if name in LABEL_SPACES:
        return load_labels(name)
    beside = path.parent / f"labels-{digest[:12]}.json"
    if not beside.is_file():
        raise MissingData(f"{path}: its label space {name!r} is neither packaged nor beside it ({beside.name})")
    with reading(beside, "a label space"):
        text = beside.read_text(encoding="utf-8")
    return parse(text, str(beside))
