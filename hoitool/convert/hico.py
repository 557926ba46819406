"""HICO's image-level annotations: anno.mat of the recognition benchmark, without boxes.

Layout: list_train and list_test (N x 1 cells, file names), anno_train and anno_test (K x N: 1 present, -1 absent,
0 uncertain, NaN unknown), list_action (K x 1 struct). Labels only: no boxes, no pairs, no image sizes.
A cell that is not NaN becomes an image label; those of an image stand in the order of the interactions.
A folder that also holds anno_bbox.mat is `hico-det`'s. Source: Chao et al., ICCV 2015; hoitool/convert/pages/hico.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert.fit import Holds, Lost, require_held
from hoitool.convert.hico_actions import action_rows, action_structs, cells, kept_text, label_space, text
from hoitool.convert.reading import Reading
from hoitool.data import Dataset, Meta, no_pairs, offsets_of, strings
from hoitool.errors import DataError, UsageError
from hoitool.files import atomic, load_mat, reading, refuse_overwrite, sha256, starts_with

Array = NDArray[Any]
SUMMARY = "the image-level HICO annotations of the recognition benchmark, anno.mat"
LABELS, BOXES = "anno.mat", "anno_bbox.mat"
WHAT = "the official anno.mat"
SUBSETS = ("train", "test")
EXTRA = "hico"
UNKNOWN = -2  # in a table of int8: no label


def _one_row_per_label(data: Dataset) -> tuple[Dataset, Lost]:
    """Data as a matrix gives them back: an image's labels in order, each once; of a repeated one the last counts."""
    table = _table(data)
    labels = _rows(table, table != UNKNOWN)
    lost = {"labels that stand twice in an image": len(data.need("image_label")) - len(labels["image_label"])}
    return data.with_columns(**labels), lost


HOLDS = Holds(boxes=False, always=frozenset({"file_name", "image_label"}), also=_one_row_per_label)


def sniff(path: Path) -> bool:
    """Whether a path is anno.mat, or a folder that holds it without anno_bbox.mat."""
    file = path / LABELS if path.is_dir() else path
    if file.name != LABELS or (path.is_dir() and (path / BOXES).exists()):
        return False
    return starts_with(file, b"MATLAB") or starts_with(file, b"\x89HDF")


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """The train and test subsets that anno.mat, or the folder with it, holds. Raises MissingData, DataError."""
    file = path / LABELS if path.is_dir() else path
    content = load_mat(file, WHAT, ["list_action"], [f"{name}_{s}" for s in SUBSETS for name in ("list", "anno")])
    held = [s for s in SUBSETS if f"anno_{s}" in content or f"list_{s}" in content]
    if not held:
        raise DataError(f"{file}: neither anno_train nor anno_test, expected at least one of them")
    with reading(file, WHAT):
        actions = action_rows(content["list_action"], f"{file}: list_action")
        space = label_space(actions, file.resolve().parent.name, f"list_action of {file.name}")
    sources, extras = {file.name: sha256(file)}, {EXTRA: {"list_action": kept_text(actions)}}
    parts = []
    for subset in held:
        for kind in ("list", "anno"):
            if f"{kind}_{subset}" not in content:
                raise DataError(f"{file}: no variable '{kind}_{subset}', which its other half needs")
        names = _file_names(content.pop(f"list_{subset}"), f"{file}: list_{subset}")
        table = content.pop(f"anno_{subset}")
        meta = Meta(space, dataset=space.name, subset=subset, sources=sources, extras=extras)
        labels = _labels(table, (len(space), len(names)), f"{file}: anno_{subset}")
        parts.append(Dataset(meta=meta, key=names, file_name=names, **labels, **no_pairs(len(names))))
    return Reading(parts)


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write `path` itself when it ends in .mat, else <path>/anno.mat. UsageError for subsets but train and test."""
    from scipy.io import savemat

    file = path if path.suffix == ".mat" else path / LABELS
    refuse_overwrite(file, overwrite)
    content: dict[str, Any] = {}
    for part in require_held(parts, HOLDS, "anno.mat"):
        subset = part.meta.subset
        if subset not in SUBSETS:
            raise UsageError(f"{part!r}: anno.mat holds the subsets train and test only")
        table = _table(part).T.astype(np.float64)
        table[table == UNKNOWN] = np.nan
        content |= {f"list_{subset}": cells(part.key).reshape(-1, 1), f"anno_{subset}": table}
        content["list_action"] = action_structs(part, EXTRA, "hico-det")
    with atomic(file) as temporary:
        savemat(temporary, content, do_compression=True, oned_as="row")
    return [file]


def _file_names(listed: Any, where: str) -> Array:
    """The names in a cell array. Raises DataError for anything else."""
    if not isinstance(listed, np.ndarray) or listed.dtype != object:
        raise DataError(f"{where} is no cell array, expected one of file names")
    held = listed.ravel()
    for i, cell in enumerate(held):
        if not isinstance(cell, np.ndarray) or (cell.size and (cell.dtype.kind != "U" or cell.size > 1)):
            raise DataError(f"{where}({i + 1}) is no text, expected a file name")
    return strings([text(cell) for cell in held])


def _labels(table: Any, shape: tuple[int, int], where: str) -> dict[str, Array]:
    """The image labels of a matrix (K, N). Raises DataError for another shape or other values."""
    if not isinstance(table, np.ndarray) or table.dtype.kind not in "fiu" or table.shape != shape:
        came = f"{table.dtype} {list(table.shape)}" if isinstance(table, np.ndarray) else type(table).__name__
        raise DataError(f"{where} is {came}, expected numbers {list(shape)}: list_action by the listed images")
    by_image = table.T
    given = ~np.isnan(by_image)
    value = by_image[given]
    wrong = (value != 1) & (value != -1) & (value != 0)
    if wrong.any():
        image, row = (int(axis[wrong.argmax()]) for axis in np.nonzero(given))
        hint = "; -2 stands in files that were prepared for training: use the anno.mat they came from"
        raise DataError(
            f"{where}({row + 1}, {image + 1}) is {by_image[image, row]:g}, expected 1, -1, 0 or NaN"
            f"{hint if by_image[image, row] == UNKNOWN else ''}"
        )
    return _rows(by_image, given)


def _rows(table: Array, given: Array) -> dict[str, Any]:
    """Image labels from a table (N, K) and which of its cells are given."""
    return {
        "image_label": np.broadcast_to(np.arange(table.shape[1], dtype=np.int32), table.shape)[given],
        "image_value": table[given].astype(np.int8),
        "image_label_offsets": offsets_of(given.sum(axis=1)),
    }


def _table(data: Dataset) -> Array:
    """(N, K) int8 the value of each label, UNKNOWN where there is none."""
    table = np.full((len(data), len(data.meta.labels)), UNKNOWN, np.int8)
    table[data.image_of("image_label"), data.need("image_label")] = data.need("image_value")
    return table
