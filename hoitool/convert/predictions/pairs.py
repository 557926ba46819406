"""A flat table of scored pairs that anybody can write: .npz, .csv or .parquet, one row per detected pair.

Columns: file_name (or image, an index into the truth's order); human and object, 4 numbers each (x1 y1 x2 y2,
zero-based pixel indices), in .csv as human_x1 ... object_y2; label (0-based interaction), or object_category and
verb (names, or 0-based indices into the label space); score (higher is surer).
Specification: hoitool/convert/pages/pairs.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hoitool.convert.fit import Holds, implied_classes, require_held
from hoitool.convert.reading import Reading
from hoitool.data import Dataset, Predictions
from hoitool.data.arrow import from_arrow, one_chunk, to_arrow
from hoitool.errors import DataError, HoitoolError, UsageError
from hoitool.files import atomic, load_npz, npz_names, reading, refuse_overwrite, require, starts_with
from hoitool.labels import LabelSpace, load_labels

Array = NDArray[Any]
SUMMARY = "a flat table of scored pairs: .npz, .csv or .parquet"
CORNERS = ("x1", "y1", "x2", "y2")
TEXT = ("file_name",)
KNOWN = {"file_name", "image", "human", "object", "label", "object_category", "verb", "score"}
KNOWN |= {f"{side}_{corner}" for side in ("human", "object") for corner in CORNERS}
HINTS = {"hoi", "filename"}  # names of other people's tables, for which there is better advice
HOLDS = Holds("predictions", box_frame="inclusive", precise=True, one_subset=True, also=implied_classes)
WANTED = "file_name (or image), human, object, label (or object_category and verb), score"


def sniff(path: Path) -> bool:
    """Whether a path is a flat table by its beginning and its suffix."""
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return starts_with(path, b"PK") and _may_be_pairs(npz_names(path))
    if suffix == ".parquet":
        return starts_with(path, b"PAR1") and _has_columns(path)
    if suffix != ".csv" or not path.is_file():
        return False
    with path.open("rb") as stream:
        header = stream.readline(65536).decode("utf-8-sig", "replace").strip().split(",")
    return "score" in [name.strip().strip('"') for name in header]


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """The predictions of a table; with `truth`, in its order and label space. DataError names column and row."""
    require(path, "a table of pairs")
    try:
        return Reading([_predictions(_columns(path), truth)])
    except HoitoolError as error:
        raise type(error)(str(error) if str(error).startswith(str(path)) else f"{path}: {error}") from error


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write a table; the suffix says which. Boxes are written in the inclusive frame, scores as they end up."""
    if path.suffix.lower() not in WRITERS:
        raise UsageError(f"{path}: a table of pairs ends in {', '.join(WRITERS)}")
    refuse_overwrite(path, overwrite)
    (data,) = require_held(parts, HOLDS, "a table of pairs")
    columns = {
        "file_name": data.key.astype(str)[data.image_of("pair")],
        "human": data.boxes[data.pair_boxes("subject")],
        "object": data.boxes[data.pair_boxes("object")],
        "label": data.need("label"),
        "score": data.need("score"),
    }
    with atomic(path) as temporary:
        WRITERS[path.suffix.lower()](columns, temporary)
    return [path]


def _predictions(columns: dict[str, Array], truth: Dataset | None) -> Predictions:
    space = load_labels("hico") if truth is None else truth.meta.labels
    if "score" not in columns:
        raise DataError(f"no column 'score'; {_expected(columns)}")
    return Predictions.from_pairs(
        _images(columns),
        _box(columns, "human"),
        _box(columns, "object"),
        _labels(columns, space),
        columns["score"],
        images=None if truth is None else truth.key,
        labels=space,
        dataset="" if truth is None else truth.meta.dataset,
        subset="" if truth is None else truth.meta.subset,
    )


def _images(columns: dict[str, Array]) -> Array:
    """The image of each row: names, or indices into the truth's order."""
    if "file_name" in columns:
        names = columns["file_name"]
        if names.dtype.kind == "S":
            names = np.char.decode(names, "utf-8")
        if names.dtype.kind not in "UO" and len(names):
            raise DataError(
                f"file_name is {names.dtype}, expected names; places in the truth's order are called 'image'"
            )
        return names
    if "image" not in columns:
        hint = " (rename 'filename')" if "filename" in columns else ""
        raise DataError(f"no column 'file_name' or 'image'{hint}; {_expected(columns)}")
    return columns["image"]


def _labels(columns: dict[str, Array], space: LabelSpace) -> Array:
    if "label" in columns:
        return columns["label"]
    if "object_category" not in columns or "verb" not in columns:
        hint = " ('hoi' is often 1-based: subtract 1 and name it label)" if "hoi" in columns else ""
        raise DataError(f"no column 'label', nor 'object_category' and 'verb'{hint}; {_expected(columns)}")
    obj = _indices(columns["object_category"], "object_category", space.objects, space.object_index)
    verb = _indices(columns["verb"], "verb", space.verbs, space.verb_index)
    label: Array = space.matrix[obj, verb]
    if (label < 0).any():
        row = int((label < 0).argmax())
        raise DataError(
            f"row {row}: label space {space.name!r} has no interaction {space.verbs[verb[row]]!r} "
            f"with {space.objects[obj[row]]!r}"
        )
    return label


def _indices(column: Array, name: str, known: tuple[str, ...], index: Any) -> Array:
    """Names or 0-based indices as indices. Raises DataError with the row for an unknown one."""
    if column.dtype.kind in "iu":
        wrong = (column < 0) | (column >= len(known))
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(f"{name} in row {row} is {column[row]}, expected 0..{len(known) - 1} or a name")
        return column.astype(np.int64)
    if column.dtype.kind not in "UO":
        raise DataError(f"{name} is {column.dtype}, expected names or 0-based indices")
    values, first, inverse = np.unique(column.astype(str), return_index=True, return_inverse=True)
    found = np.empty(len(values), np.int64)
    for i, value in enumerate(values.tolist()):
        try:
            found[i] = index(value)
        except UsageError as error:
            raise DataError(f"{name} in row {first[i]}: {error}") from error
    return found[inverse]


def _box(columns: dict[str, Array], side: str) -> Array:
    """(N, 4) from one column of 4 numbers a row, or four columns."""
    four = [f"{side}_{corner}" for corner in CORNERS]
    if side in columns:
        boxes = columns[side]
        if not boxes.size:
            return np.empty((len(boxes), 4))
        if boxes.dtype.kind in "UO" and boxes.ndim == 1:
            return _parsed(boxes, side)
        return boxes
    if all(name in columns for name in four):
        return np.stack([columns[name] for name in four], axis=1)
    raise DataError(f"no column {side!r} (4 numbers a row), nor {', '.join(four)}; {_expected(columns)}")


def _parsed(texts: Array, side: str) -> Array:
    """Boxes written as text, such as '[10, 20, 30.5, 40]' or '10 20 30.5 40'."""
    boxes = np.empty((len(texts), 4))
    for row, text in enumerate(texts.tolist()):
        try:
            boxes[row] = [float(part) for part in text.strip(" []()").replace(",", " ").replace(";", " ").split()]
        except ValueError as error:
            raise DataError(f"{side} in row {row} is {text!r}, expected 4 numbers") from error
    return boxes


def _expected(columns: dict[str, Array]) -> str:
    return f"a table of pairs has {WANTED}; this one has {', '.join(columns) or 'no columns'}"


def _columns(path: Path) -> dict[str, Array]:
    """The columns of a table that the format names."""
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _arrays(path)
    with reading(path, "a table of pairs"):
        if suffix == ".parquet":
            table = pq.read_table(path)
        elif suffix == ".csv":
            from pyarrow import csv

            texts = csv.ConvertOptions(column_types=dict.fromkeys(TEXT, pa.string()))
            table = csv.read_csv(path, convert_options=texts)
        else:
            raise UsageError(f"{path}: a table of pairs ends in {', '.join(WRITERS)}")
        return {name: _column(table[name], name) for name in table.column_names if name in KNOWN | HINTS}


def _arrays(path: Path) -> dict[str, Array]:
    """The per-row arrays of an .npz; what the format does not name is not even loaded."""
    columns = load_npz(path, "a table of pairs", KNOWN | HINTS)
    for name, values in columns.items():
        if values.ndim == 0:
            raise DataError(f"array {name!r}: a single value, expected one per pair")
    return columns


def _column(column: Any, name: str) -> Array:
    values = one_chunk(column)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if pa.types.is_null(kind) and not len(values):
        return np.empty(0)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return from_arrow(values, name, ("str",), None)
    if pa.types.is_integer(kind):
        return from_arrow(values, name, ("int64", "int32"), None)
    if pa.types.is_floating(kind):
        return from_arrow(values, name, ("float64", "float32"), None)
    if name in ("human", "object"):
        return from_arrow(values, name, ("float64", "float32"), 4)
    raise DataError(
        f"column {name!r} is {kind}, expected numbers{' or names' if name not in ('score', 'label') else ''}"
    )


def _may_be_pairs(names: set[str]) -> bool:
    """Whether an .npz is no file of recognition scores; a table of pairs that lacks a column is still told so."""
    return "scores" not in names or bool(names & {"score", "human", "object"})


def _has_columns(path: Path) -> bool:
    try:
        names = set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError):
        return False
    return "score" in names and bool({"file_name", "image"} & names)


def _write_npz(columns: dict[str, Array], path: Path) -> None:
    with path.open("wb") as stream:
        np.savez(stream, **columns)  # type: ignore[arg-type]


def _write_csv(columns: dict[str, Array], path: Path) -> None:
    from pyarrow import csv

    flat: dict[str, Any] = {}
    for name, values in columns.items():
        if values.ndim == 2:
            flat |= {f"{name}_{corner}": to_arrow(values[:, i]) for i, corner in enumerate(CORNERS)}
        else:
            flat[name] = to_arrow(values)
    csv.write_csv(pa.table(flat), path)


def _write_parquet(columns: dict[str, Array], path: Path) -> None:
    pq.write_table(pa.table({name: to_arrow(values) for name, values in columns.items()}), path, compression="lz4")


WRITERS = {".npz": _write_npz, ".csv": _write_csv, ".parquet": _write_parquet}
