"""Recognition scores, images x classes, that anybody can write: .h5 (.hdf5), .parquet or .npz.

scores: (N, K) numbers, higher is surer, K interactions of the label space. Whose they are: file_name or key (N names),
or image (N indices into the truth's order); without any of them the rows are in the truth's order, all of it.
In Parquet `scores` is a column of K numbers a row, or there are K columns named 0 .. K-1. float32 and float64 are
kept; NaN is kept, and the protocol says what it means. Specification: hoitool/convert/pages/recognition.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hoitool.convert.fit import Holds, Lost, require_held
from hoitool.convert.hdf5 import array_in, names_in
from hoitool.convert.reading import Reading
from hoitool.data import Dataset, Meta, Predictions, image_index, is_ours, no_pairs
from hoitool.data.arrow import from_arrow, one_chunk, to_arrow
from hoitool.errors import DataError, HoitoolError, MissingData, UsageError
from hoitool.files import atomic, load_npz, npz_names, reading, refuse_overwrite, require, starts_with
from hoitool.labels import load_labels

Array = NDArray[Any]
SUMMARY = "recognition scores of whole images: .h5, .parquet or .npz"
WHAT = "recognition scores"
SCORES = "scores"
NAMES = ("file_name", "key", "image")
PAIRS = {"score", "human", "object"}  # names of a table of pairs


def _scored(data: Dataset) -> tuple[Dataset, Lost]:
    if data.image_scores is None:
        raise UsageError("the format holds scores of whole images, which these predictions do not have")
    return data, {}


HOLDS = Holds(
    "predictions",
    label_kinds=("interactions", "verbs"),
    optional=frozenset({"image_scores"}),
    boxes=False,
    precise=True,
    one_subset=True,
    also=_scored,
)


def sniff(path: Path) -> bool:
    """Whether a path is such a file, by its suffix and the names in it."""
    names = _names(path)
    return (SCORES in names and not names & PAIRS) or _numbered(names) > 0


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """The scores of a file; `truth` gives the label space, and the images where the file does not name them."""
    require(path, WHAT)
    if path.suffix.lower() not in READERS:
        raise UsageError(f"{path}: {WHAT} end in {', '.join(READERS)}")
    meta = Meta(load_labels("hico")) if truth is None else _meta(truth)
    try:
        with reading(path, WHAT):
            columns = READERS[path.suffix.lower()](path)
        scores = _numbers(columns[SCORES], meta)
        made = Predictions(
            meta=meta, key=_images(columns, len(scores), truth), image_scores=scores, **_nothing(len(scores))
        )
    except HoitoolError as error:
        raise type(error)(str(error) if str(error).startswith(str(path)) else f"{path}: {error}") from error
    return Reading([made])


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write file_name and scores; the suffix says in which kind of file."""
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        raise UsageError(f"{path}: {WHAT} end in {', '.join(WRITERS)}")
    refuse_overwrite(path, overwrite)
    (data,) = require_held(parts, HOLDS, f"a file of {WHAT}")
    with atomic(path) as temporary:
        WRITERS[suffix](data.key, data.need("image_scores"), temporary)
    return [path]


def _meta(truth: Dataset) -> Meta:
    held = truth.meta
    return Meta(held.labels, dataset=held.dataset, subset=held.subset, label_kind=held.label_kind)


def _nothing(images: int) -> dict[str, Array]:
    return no_pairs(images) | {"score": np.empty(0)}


def _images(columns: dict[str, Array], rows: int, truth: Dataset | None) -> Array:
    """The key of each row of scores."""
    name = next((name for name in NAMES if name in columns), None)
    if name is None:
        if truth is None:
            raise MissingData("names no images (file_name); give the annotations whose order its rows have (--truth)")
        if rows != len(truth):
            raise DataError(f"has {rows} rows and names no images (file_name); the truth has {len(truth)} images")
        return truth.key
    values = columns[name]
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    if values.shape != (rows,):
        raise DataError(f"{name} is {list(values.shape)}, expected one for each of the {rows} rows of scores")
    if name != "image" and values.dtype.kind not in "UO" and rows:
        raise DataError(f"{name} is {values.dtype}, expected names; places in the truth's order are called 'image'")
    keys, index = image_index(values, None if truth is None else truth.key)
    return keys[index]


def _numbers(scores: Array, meta: Meta) -> Array:
    """(N, K) scores as float32 or float64."""
    if scores.shape == (0, 0):  # lists of no images do not tell their length
        scores = scores.reshape(0, meta.classes)
    _check_shape(scores.shape, meta)
    if scores.dtype.kind not in "fiu":
        raise DataError(f"{SCORES} is {scores.dtype}, expected numbers")
    if scores.dtype.kind != "f" or scores.dtype.itemsize > 8:
        return scores.astype(np.float64)
    return scores.astype(np.float32 if scores.dtype.itemsize < 4 else scores.dtype.newbyteorder("="), copy=False)


def _check_shape(shape: tuple[int, ...], meta: Meta) -> None:
    if len(shape) == 2 and shape[1] == meta.classes:
        return
    hint = "; transpose it" if len(shape) == 2 and shape[0] == meta.classes else ""
    raise DataError(
        f"{SCORES} is {list(shape)}, expected a row of {meta.classes} ({meta.label_kind} of label space "
        f"{meta.labels.name!r}) for each image{hint}"
    )


def _numbered(names: set[str]) -> int:
    """How many columns 0 .. K-1 there are, 0 where there is anything else but names of images."""
    held = names - set(NAMES)
    return len(held) if held == {str(i) for i in range(len(held))} else 0


def _require_scores(names: set[str]) -> None:
    if SCORES not in names:
        raise DataError(f"holds no {SCORES!r} (images x classes); it holds {', '.join(sorted(names)) or 'nothing'}")


def _read_npz(path: Path) -> dict[str, Array]:
    _require_scores(npz_names(path))
    return load_npz(path, WHAT, {SCORES, *NAMES})


def _read_parquet(path: Path) -> dict[str, Array]:
    with pq.ParquetFile(path, memory_map=True) as file:
        names = set(file.schema_arrow.names)
        numbered = [str(i) for i in range(_numbered(names))]
        if not numbered:
            _require_scores(names)
        table = file.read(columns=[*(numbered or [SCORES]), *(name for name in NAMES if name in names)])
    made = {name: _parquet_names(table, name) for name in NAMES if name in names}
    floats = ("float64", "float32")
    if numbered:
        made[SCORES] = np.stack([from_arrow(one_chunk(table[n]), n, floats, None) for n in numbered], axis=1)
    else:
        made[SCORES] = from_arrow(one_chunk(table[SCORES]), SCORES, floats, 0)
    return made


def _parquet_names(table: Any, name: str) -> Array:
    values = one_chunk(table[name])
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    return from_arrow(values, name, ("int64",) if pa.types.is_integer(values.type) else ("str",), None)


def _read_hdf5(path: Path) -> dict[str, Array]:
    import h5py

    with h5py.File(path, "r") as file:
        _require_scores(set(file))
        return {name: array_in(file, name) for name in (SCORES, *NAMES) if name == SCORES or name in file}


def _names(path: Path) -> set[str]:
    """The names in a file of one of the kinds, none for any other file."""
    suffix = path.suffix.lower()
    if suffix == ".npz" and starts_with(path, b"PK"):
        return npz_names(path)
    try:
        if suffix == ".parquet" and starts_with(path, b"PAR1") and not is_ours(path):
            return set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError, ValueError, KeyError):
        return set()
    return names_in(path) if suffix in (".h5", ".hdf5") else set()


def _write_npz(key: Array, scores: Array, path: Path) -> None:
    with path.open("wb") as stream:
        np.savez(stream, file_name=key.astype(str), scores=scores)


def _write_parquet(key: Array, scores: Array, path: Path) -> None:
    table = pa.table({"file_name": to_arrow(key), SCORES: to_arrow(scores)})
    pq.write_table(table, path, compression="lz4", use_dictionary=False)


def _write_hdf5(key: Array, scores: Array, path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("file_name", data=key, dtype=h5py.string_dtype())
        file.create_dataset(SCORES, data=scores)


READERS = {".h5": _read_hdf5, ".hdf5": _read_hdf5, ".parquet": _read_parquet, ".npz": _read_npz}
WRITERS = {".h5": _write_hdf5, ".hdf5": _write_hdf5, ".parquet": _write_parquet, ".npz": _write_npz}
