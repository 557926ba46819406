"""Where things lie in a feature store's file, and the columns that go with its rows.

    features  (R, D) float16 or float32       the rows, those of image i are offsets[i]:offsets[i + 1]
    offsets   (I + 1,) int64
    key       (I,) UTF-8                      names of the images (or labels, texts) that rows are of
    status    (I,) uint8                      0 not made yet, 1 made, 2 could not be made: its rows are NaN
    digest    (I, 16) uint8                   BLAKE2b of the bytes of each image's rows
    content   (32,) uint8                     SHA-256 over all of it, written last
    picture   (I,) int64                      where rows are of pictures: the size in bytes of the file that an image's
                                              rows were made from, -1 = not known; no part of the content hash
and the columns below, where they say something. Numbers are little-endian.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

from hoitool.data.dataset import Array, strings
from hoitool.errors import DataError
from hoitool.store.manifest import Manifest

TO_DO, MADE, FAILED = 0, 1, 2
PICTURE = "picture"
DIGEST, CONTENT = 16, 32  # bytes


@dataclass(frozen=True)
class Column:
    """A column: of rows or of images, the dtypes allowed, numbers in each entry (None: one)."""

    of: str
    dtypes: tuple[str, ...]
    width: int | None = None
    doc: str = ""


COLUMNS = {
    "boxes": Column("row", ("float64", "float32"), 4, "x1 y1 x2 y2 in the frame that the manifest names"),
    "scores": Column("row", ("float64", "float32"), doc="the detector's confidence"),
    "category": Column("row", ("int32",), doc="object class of the box, -1 unknown"),
    "label": Column("row", ("int32",), doc="the class that a row is of, an index into label_kind"),
    "part": Column("row", ("uint8",), doc="index into the manifest's parts"),
    "subject": Column("row", ("int32",), doc="of a pair: the image's box (its row among those of part 'box')"),
    "object": Column("row", ("int32",), doc="of a pair: the image's box, -1 = none"),
    "attribute": Column("row", ("int32",), doc="index into notes.attributes, -1 = none"),
    "count": Column("row", ("int64",), doc="how many instances a row is the mean of"),
    "text": Column("row", ("str",), doc="what was embedded"),
    "caption": Column("row", ("int64",), doc="the id of the caption that a row is of, -1 for an image"),
    "grid": Column("image", ("int32",), 2, "height and width of the grid of cells"),
}


@dataclass(frozen=True, eq=False)
class Layout:
    """All that is known of a store before its rows are made: keys (I,), offsets (I + 1,), columns by name."""

    key: Array
    offsets: Array
    columns: dict[str, Array] = field(default_factory=dict)

    def __len__(self) -> int:
        """The number of images."""
        return len(self.key)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self.offsets[-1])

    def images(self, first: int, last: int) -> Layout:
        """The layout of images first .. last - 1 alone."""
        start, stop = int(self.offsets[first]), int(self.offsets[last])
        ends = {"row": slice(start, stop), "image": slice(first, last)}
        columns = {name: values[ends[COLUMNS[name].of]] for name, values in self.columns.items()}
        return Layout(self.key[first:last], self.offsets[first : last + 1] - start, columns)


def check(layout: Layout, where: str) -> None:
    """Raise DataError where keys, offsets and columns do not go together."""
    images = len(layout.key)
    check_offsets(layout.offsets, images, where)
    check_texts(layout.key, "key", where)
    check_keys(layout.key, where)
    for name, values in layout.columns.items():
        check_column(name, kind_of(values), values.shape, (layout.rows, images), where)
        if values.dtype == object:
            check_texts(values, name, where)


def check_offsets(offsets: Array, images: int, where: str) -> None:
    """Raise DataError unless offsets rise from 0 and are one more than images."""
    if offsets.dtype != np.int64 or offsets.shape != (images + 1,):
        raise DataError(f"{where}: offsets are {offsets.dtype}{list(offsets.shape)}, expected int64[{images + 1}]")
    if offsets[0] != 0 or (np.diff(offsets) < 0).any():
        raise DataError(f"{where}: offsets do not rise from 0")


def check_column(name: str, kind: str, shape: tuple[int, ...], lengths: tuple[int, int], where: str) -> None:
    """Raise DataError unless a column has the dtype and the shape of COLUMNS; lengths: of rows and of images."""
    spec = COLUMNS.get(name)
    if spec is None:
        raise DataError(f"{where}: a column {name!r} is not known; known: {', '.join(COLUMNS)}")
    expected = (lengths[spec.of == "image"], *(() if spec.width is None else (spec.width,)))
    if kind not in spec.dtypes or shape != expected:
        raise DataError(f"{where}: {name} is {kind}{list(shape)}, expected {' or '.join(spec.dtypes)}{list(expected)}")


def check_keys(key: Array, where: str) -> None:
    """Raise DataError for a key that stands twice."""
    if len(set(key.tolist())) < len(key):
        seen: set[str] = set()
        twice = next(text for text in key.tolist() if text in seen or seen.add(text))  # type: ignore[func-returns-value]
        raise DataError(f"{where}: the key {twice!r} stands twice, expected one entry for each image or label")


def check_texts(values: Array, name: str, where: str) -> None:
    """Raise DataError for values that are no texts, or that UTF-8 or a fixed-length field cannot hold."""
    if values.dtype != object or values.ndim != 1 or not all(isinstance(text, str) for text in values.tolist()):
        raise DataError(f"{where}: {name} is {kind_of(values)}{list(values.shape)}, expected a text for each entry")
    joined = "\0".join(values.tolist())
    if joined.count("\0") > max(0, len(values) - 1):
        raise DataError(f"{where}: a {name} holds the character U+0000, which HDF5's texts cannot")
    try:
        joined.encode()
    except UnicodeEncodeError as error:
        text = joined[joined.rfind("\0", 0, error.start) + 1 :].partition("\0")[0]
        raise DataError(f"{where}: the {name} {text!r} is no Unicode text (its file name is not UTF-8?)") from error


def kind_of(values: Array) -> str:
    """The name of an array's dtype, `str` for texts."""
    return "str" if values.dtype == object else values.dtype.name


def concat(layouts: list[Layout]) -> Layout:
    """Layouts one after the other. They have the same columns."""
    counts = np.concatenate([np.diff(each.offsets) for each in layouts])
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    columns = {name: np.concatenate([each.columns[name] for each in layouts]) for name in layouts[0].columns}
    return Layout(strings(np.concatenate([each.key for each in layouts])), offsets, columns)


def digest(rows: Array) -> bytes:
    """BLAKE2b of the bytes of an image's rows."""
    return hashlib.blake2b(_bytes(rows), digest_size=DIGEST).digest()


def plan_hash(manifest: Manifest, layout: Layout) -> str:
    """SHA-256 over what is to be made: manifest, keys, offsets and columns."""
    return plan_of_text(manifest.dump(), layout)


def plan_of_text(text: str, layout: Layout) -> str:
    """The plan's hash, of the manifest's text as it stands in a file."""
    return _hash(text, layout).hexdigest()


def content_hash(text: str, layout: Layout, status: Array, digests: Array) -> bytes:
    """SHA-256 over all that a store holds: the manifest's text, the plan, and each image's status and digest."""
    made = _hash(text, layout)
    made.update(_bytes(status))
    made.update(_bytes(digests))
    return made.digest()


def _hash(text: str, layout: Layout) -> hashlib._Hash:
    made = hashlib.sha256(text.encode())
    held = {"key": layout.key, "offsets": layout.offsets, **layout.columns}
    for name in sorted(held):
        values = held[name]
        if values.dtype == object:
            made.update(f"\0{name} str {list(values.shape)}\0".encode())
            made.update("\0".join(values.tolist()).encode())
        else:
            made.update(f"\0{name} {values.dtype.name} {list(values.shape)}\0".encode())
            made.update(_bytes(values))
    return made


def _bytes(values: Array) -> memoryview:
    """The bytes of numbers, little-endian."""
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).data
