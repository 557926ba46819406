"""The prediction .csv of the Open Images visual relationship challenges: one row per scored relation.

Columns: ImageID, LabelName1, LabelName2, RelationshipLabel, Score, XMin1, XMax1, YMin1, YMax1, XMin2, XMax2, YMin2,
YMax2, by header name. Labels are MIDs, or names where the truth has no MIDs. Frame: normalised; boxes are never merged.
Source: storage.googleapis.com/openimages/web/challenge2019.html and evaluation.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert.csv_cells import write_table
from hoitool.convert.fields import brief
from hoitool.convert.fit import Holds, Lost, require_held
from hoitool.convert.open_images_rows import SCORE, WRITTEN, Rows, columns_of, is_relations, rows_of
from hoitool.convert.open_images_tables import CLASSES, EXTRA, RELATIONS, Labels, labels_of_files, labels_of_truth
from hoitool.convert.own_labels import Names
from hoitool.convert.paired import own_boxes, paired_columns
from hoitool.convert.reading import Reading
from hoitool.data import Dataset, Meta, Predictions, image_index, select_pairs
from hoitool.errors import DataError
from hoitool.files import refuse_overwrite, require

Array = NDArray[Any]
SUMMARY = "the prediction .csv of the Open Images relationship challenges"
ORDER = ("ImageID", *CLASSES, RELATIONS[0], SCORE, *WRITTEN)


def _with_own_boxes(data: Dataset) -> tuple[Dataset, Lost]:
    """Each pair with two boxes of its own, as a row repeats them, and an image that a row can name."""
    named = data.key[data.image_of("pair")] != ""
    made = own_boxes(data if named.all() else select_pairs(data, named))
    return made.with_columns(boxes=made.boxes + 0.0), {"pairs of images without a name": int((~named).sum())}


HOLDS = Holds(
    "predictions",
    label_kinds=("predicates",),
    box_frame="normalised",
    optional=frozenset({"width"}),
    one_subset=True,
    also=_with_own_boxes,
)


def sniff(path: Path) -> bool:
    """Whether a path is a .csv of relations with scores, by its header."""
    return is_relations(path, scored=True)


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """The predictions of a file; with `truth`, in its order, label space and sizes. DataError names line and column."""
    require(path, "predictions of Open Images relationships")
    rows = rows_of(path, scored=True)
    if truth is None:
        labels = labels_of_files(path.parent, [rows.classes], [rows.predicates], path)
    else:
        labels = labels_of_truth(truth, path.parent)
        _require_known(rows.images, truth)
    meta = Meta(
        labels.space,
        dataset=EXTRA if truth is None else truth.meta.dataset,
        subset="" if truth is None else truth.meta.subset,
        label_kind="predicates",
        box_frame="normalised",
        extras=labels.extras,
    )
    sizes = {} if truth is None or truth.width is None else {"width": truth.width, "height": truth.need("height")}
    try:
        made = Predictions(meta=meta, **_columns(rows, labels, None if truth is None else truth.key), **sizes)
    except DataError as error:
        raise DataError(str(error) if str(path) in str(error) else f"{path}: {error}") from error
    notes = [f"columns not read: {', '.join(rows.ignored)}"] if rows.ignored else []
    if rows.outside:
        notes.append(f"{rows.outside:,} boxes of relations reach outside 0..1; expected fractions of the image")
    return Reading([made], notes=notes)


def _require_known(images: Names, truth: Dataset) -> None:
    """Raise DataError, naming the line, for an image that the truth does not have."""
    known = set(truth.key.tolist())
    unknown = [name for name in images.values if name not in known]
    if unknown:
        row = int((images.codes == images.values.index(unknown[0])).argmax())
        raise DataError(
            f"{images.place(row)} is {brief(unknown[0])}, which the truth does not have ({len(unknown):,} of "
            f"{len(images.values):,} images are unknown); give a truth that has all images which were predicted for"
        )


def _columns(rows: Rows, labels: Labels, images: Array | None) -> dict[str, Array]:
    """The columns and offsets of the rows, by image, in their order."""
    names = np.array([*rows.images.values, ""], object)[rows.images.codes]
    key, image = image_index(names, images)
    order = np.argsort(image, kind="stable")
    sides, category = rows.boxes.reshape(-1, 2, 4)[order], labels.object_codes(rows.classes).reshape(-1, 2)[order]
    assert rows.scores is not None
    counts = np.bincount(image, minlength=len(key))
    label = labels.predicate_codes(rows.predicates)[order]
    columns = paired_columns(sides[:, 0], sides[:, 1], counts, category[:, 0], category[:, 1], label)
    return columns | {"key": key, "score": rows.scores[order]}


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write a .csv: MIDs where the data know them, else names."""
    refuse_overwrite(path, overwrite)
    (data,) = require_held(parts, HOLDS, "a file of challenge predictions")
    columns = columns_of(data) | {SCORE: data.need("score")}
    write_table({name: columns[name] for name in ORDER}, path)
    return [path]
