"""The columnar dataset and predictions: NumPy columns and offsets, never a list of objects.

A column belongs to a group. Image columns have one row per image; box, pair, image_label and caption columns are
flat, and `<group>_offsets` (I + 1,) says which rows are whose: those of image i are offsets[i]:offsets[i + 1].
Pairs index the boxes of their own image, and keep their order: protocols break ties by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hoitool.data.meta import Frame, Kind, Meta
from hoitool.errors import DataError
from hoitool.labels import LabelSpace, load_labels

Array = NDArray[Any]
GROUPS = ("image", "box", "pair", "image_label", "caption")


@dataclass(frozen=True)
class Column:
    """What may stand in a column: its group, the NumPy dtypes allowed (first is the usual), values per row."""

    group: str
    dtypes: tuple[str, ...]
    width: int | None = None  # None: scalars; 0: any fixed number of values per row
    doc: str = ""


FLOATS = ("float64", "float32")


def column(group: str, *dtypes: str, width: int | None = None, doc: str) -> Any:
    """A dataclass field for a column, None when the data does not have it."""
    return field(default=None, metadata={"column": Column(group, dtypes, width, doc)})


def offsets_field() -> Any:
    """A dataclass field for the offsets of a group, None when the data has nothing of it."""
    return field(default=None)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Annotated images. See `Predictions` for what models say of them."""

    meta: Meta
    key: Array = column("image", "str", doc="the image's name in its dataset; predictions join truth by it")
    file_name: Array | None = column("image", "str", doc="relative to an image root")
    width: Array | None = column("image", "int32", doc="pixels, 0 = unknown")
    height: Array | None = column("image", "int32", doc="pixels, 0 = unknown")
    subset: Array | None = column("image", "str", doc="present where a file holds more than one subset")
    image_scores: Array | None = column("image", *FLOATS, width=0, doc="recognition scores, one per label")
    boxes: Array = column("box", *FLOATS, width=4, doc="x1 y1 x2 y2 in the frame that meta.box_frame names")
    categories: Array = column("box", "int32", doc="object class of each box, -1 unknown")
    box_scores: Array | None = column("box", *FLOATS, doc="the detector's confidence")
    annotated: Array | None = column("box", "bool", doc="whether a person's interactions were annotated")
    crowd: Array | None = column("box", "bool", doc="a region of many objects")
    box_ids: Array | None = column("box", "int64", doc="the source's id of the box")
    subject: Array = column("pair", "int32", doc="index into the image's boxes")
    object: Array = column("pair", "int32", doc="index into the image's boxes, -1 = none")
    label: Array | None = column("pair", "int32", doc="index into what meta.label_kind names; absent in dense data")
    score: Array | None = column("pair", *FLOATS, doc="higher is surer")
    scores: Array | None = column("pair", *FLOATS, width=0, doc="dense: one per label; NaN = not predicted")
    image_label: Array | None = column(
        "image_label", "int32", doc="a label of the whole image; of predicates an object"
    )
    image_value: Array | None = column("image_label", "int8", doc="1 present, -1 absent, 0 uncertain")
    caption_id: Array | None = column("caption", "int64", doc="the source's id of the caption")
    caption_text: Array | None = column("caption", "str", doc="the caption")
    box_offsets: Array = offsets_field()
    pair_offsets: Array = offsets_field()
    image_label_offsets: Array | None = offsets_field()
    caption_offsets: Array | None = offsets_field()

    kind: Kind = field(default="dataset", init=False)

    def __len__(self) -> int:
        """The number of images."""
        return len(self.key)

    def __repr__(self) -> str:
        of = " ".join(filter(None, (self.meta.dataset, self.meta.subset)))
        return f"<{type(self).__name__} {of}: {len(self)} images, {len(self.boxes)} boxes, {len(self.subject)} pairs>"

    @property
    def dense(self) -> bool:
        """Whether pairs carry a score for every label in place of one label."""
        return self.scores is not None

    def need(self, name: str) -> Array:
        """The column `name`. Raises DataError when this data does not have it."""
        found: Array | None = getattr(self, name)
        if found is None:
            raise DataError(f"{self!r} has no column {name!r}")
        return found

    def offsets(self, group: str) -> Array | None:
        """The offsets (I + 1,) of a group; those of the image group count the images."""
        if group == "image":
            return np.arange(len(self) + 1, dtype=np.int64)
        found: Array | None = getattr(self, f"{group}_offsets")
        return found

    def columns(self, group: str | None = None) -> dict[str, Array]:
        """The columns that this data has, of one group or of all."""
        return {
            name: getattr(self, name)
            for name, spec in COLUMNS.items()
            if group in (None, spec.group) and getattr(self, name) is not None
        }

    def image_of(self, group: str) -> Array:
        """(rows,) the image index of every row of a group."""
        offsets = self.offsets(group)
        if offsets is None:
            return np.empty(0, np.int32)
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(offsets))

    def pair_boxes(self, side: str) -> Array:
        """(P,) the flat row in `boxes` of each pair's 'subject' or 'object', -1 where there is none."""
        index = self.need(side)
        start = np.repeat(self.box_offsets[:-1], np.diff(self.pair_offsets))
        return np.where(index < 0, -1, start + index)

    def counts(self, group: str) -> Array:
        """(I,) how many rows of a group each image has; none where the data has nothing of it."""
        offsets = self.offsets(group)
        return np.zeros(len(self), np.int64) if offsets is None else np.diff(offsets)

    def with_columns(self, meta: Meta | None = None, **columns: Any) -> Self:
        """A copy with columns, offsets or metadata replaced."""
        return replace(self, meta=meta or self.meta, **columns)


@dataclass(frozen=True, eq=False, repr=False)
class Predictions(Dataset):
    """What a model says of images. Sparse: a label and a score per pair. Dense: a score per pair and label."""

    kind: Kind = field(default="predictions", init=False)

    @classmethod
    def from_pairs(
        cls,
        image: Sequence[str] | Array,
        human: Array,
        object: Array,
        label: Array,
        score: Array,
        *,
        images: Sequence[str] | Array | None = None,
        labels: LabelSpace | str = "hico",
        box_frame: Frame = "inclusive",
        dataset: str = "",
        subset: str = "",
    ) -> Predictions:
        """Predictions from flat arrays, one row per detected pair; boxes are never merged.

        image   (N,) image names, or indices into `images`
        human   (N, 4) and object (N, 4): x1 y1 x2 y2; HICO's inclusive frame is zero-based pixel indices
        label   (N,) 0-based interaction; score (N,), higher is surer
        images  the names that indices mean, and the order of the result; default: by first appearance
        Rows are grouped by image, stably: within an image their order stays. Raises DataError for other shapes.
        """
        from hoitool.data.build import pair_columns

        space = load_labels(labels) if isinstance(labels, str) else labels
        meta = Meta(space, dataset=dataset, subset=subset, box_frame=box_frame)
        return cls(meta=meta, **pair_columns(space, image, human, object, label, score, images))


COLUMNS: dict[str, Column] = {f.name: f.metadata["column"] for f in fields(Dataset) if "column" in f.metadata}


def strings(values: Sequence[str] | Array) -> Array:
    """A column of Python strings."""
    made = np.empty(len(values), object)
    made[:] = values.tolist() if isinstance(values, np.ndarray) else list(values)
    return made


def offsets_of(counts: Sequence[int] | Array) -> Array:
    """Offsets (n + 1,) from the number of rows of each image (n,)."""
    made = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=made[1:])
    return made


def ranges(starts: Array, counts: Array) -> Array:
    """start, start + 1, ... for each of starts (n,), `counts` (n,) of them, one after the other."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    rows: Array = np.arange(total) + np.repeat(starts - (ends - counts), counts)
    return rows
