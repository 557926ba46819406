"""The detection files of the official MATLAB code: a cell array `all_boxes` of (interactions x images).

A cell holds one row per detection: human x1 y1 x2 y2, object x1 y1 x2 y2, score; zero-based pixel indices (the
evaluation adds one). Three layouts, which are formats of their own:
  hico-matlab               a folder of detections_NN.mat, one per object, NN in COCO order (format 'obj')
  hico-matlab-alphabetical  the same, NN in HICO's alphabetical order, as UPT and PViC write it
  hico-matlab-all           one detections.mat with a row for every interaction (format 'all')
The first two are told apart by how many interactions each file holds; where that does not decide, the format must
be named. Source: eval_one.m of HO-RCNN; hoitool/convert/pages/hico-matlab.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from hoitool.convert.fit import Holds, Lost, implied_classes, require_held
from hoitool.convert.reading import Reading
from hoitool.data import Dataset, Predictions
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.files import atomic, atomic_folder, load_mat, reading, refuse_overwrite, require
from hoitool.labels import LabelSpace, load_labels
from hoitool.progress import progress

Array = NDArray[Any]
NAME = re.compile(r"detections_(\d+)\.mat")
ALL = "detections.mat"
Order = Literal["coco", "alphabetical"]


def _by_label(data: Dataset) -> tuple[Dataset, Lost]:
    """Pairs with boxes of their own, those of an image by interaction: the order that cells give."""
    data, lost = implied_classes(data)
    return _reordered(data, np.lexsort((data.need("label"), data.image_of("pair")))), lost


def _reordered(data: Dataset, order: Array) -> Dataset:
    """Pairs with boxes of their own in another order within their images."""
    held: dict[str, Any] = {name: data.columns("pair")[name][order] for name in ("label", "score")}
    boxes = np.stack([2 * order, 2 * order + 1], axis=1).reshape(-1)
    held |= {name: values[boxes] for name, values in data.columns("box").items()}
    return data.with_columns(**held)


HOLDS = Holds("predictions", box_frame="inclusive", one_subset=True, names_images=False, also=_by_label)


@dataclass(frozen=True)
class ObjectFiles:
    """A folder of one file per object, numbered from 1 in the order named."""

    SUMMARY: str
    order: Order
    HOLDS: ClassVar[Holds] = HOLDS

    def sniff(self, path: Path) -> bool:
        """Whether a path is a folder of detections_NN.mat in this order, as far as the files can tell."""
        if not path.is_dir() or not _numbered(path):
            return False
        return self.order in _fitting_orders(path)

    def read(self, path: Path, truth: Dataset | None = None) -> Reading:
        """Predictions in the truth's order. Raises MissingData without a truth, DataError when files do not fit it."""
        truth = _needed(truth, path)
        require(path, "a folder of detections_NN.mat")
        files = _numbered(path) if path.is_dir() else {}
        if not files:
            raise MissingData(f"{path}: no detections_NN.mat in this folder")
        objects = object_order(truth.meta.labels, self.order)
        parts, missing = [], 0
        for number, obj in enumerate(progress(objects, f"reading {path.name}"), start=1):
            rows = interactions_of(truth.meta.labels, obj)
            if number not in files:
                missing += len(rows)
                continue
            parts.append(
                _read_cells(files[number], rows, truth, f"{truth.meta.labels.objects[obj]!r} ({self.order} order)")
            )
        if not parts:
            raise DataError(f"{path}: none of its files is numbered 1..{len(objects)}")
        notes = [f"{missing} interactions have no file and no detections"] if missing else []
        return Reading([_joined(parts, truth)], notes=notes)

    def write(self, parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
        """Write a folder of one file per object of the label space."""
        refuse_overwrite(path, overwrite)
        strange = [p.name for p in path.iterdir() if not NAME.fullmatch(p.name)] if path.is_dir() else []
        if strange:
            raise UsageError(
                f"{path}: holds {strange[0]!r} beside caches, and is replaced as a whole; name another folder"
            )
        (data,) = require_held(parts, HOLDS, "a detection cache")
        cells, labels = _Cells(data), data.meta.labels
        with atomic_folder(path) as folder:
            for number, obj in enumerate(progress(object_order(labels, self.order), f"writing {path.name}"), start=1):
                _save(folder / f"detections_{number:02d}.mat", cells.of(interactions_of(labels, obj)))
        return [path]


@dataclass(frozen=True)
class OneFile:
    """A single detections.mat with a row for every interaction."""

    SUMMARY: str
    HOLDS: ClassVar[Holds] = HOLDS

    def sniff(self, path: Path) -> bool:
        """Whether a path is detections.mat, or a folder that holds it."""
        return (path / ALL).is_file() if path.is_dir() else path.name == ALL and path.is_file()

    def read(self, path: Path, truth: Dataset | None = None) -> Reading:
        """Predictions in the truth's order. MissingData without a truth, DataError when the file does not fit it."""
        truth = _needed(truth, path)
        file = path / ALL if path.is_dir() else path
        rows = np.arange(len(truth.meta.labels))
        return Reading([_joined([_read_cells(file, rows, truth, "every interaction")], truth)])

    def write(self, parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
        """Write the file `path`, or detections.mat in the folder `path`."""
        file = path if path.suffix == ".mat" else path / ALL
        refuse_overwrite(file, overwrite)
        (data,) = require_held(parts, HOLDS, "a detection cache")
        cells = _Cells(data)
        with atomic(file) as temporary:
            _save(temporary, cells.of(np.arange(len(data.meta.labels))))
        return [file]


COCO_ORDER = ObjectFiles("the official detections_NN.mat caches, NN in COCO order", "coco")
ALPHABETICAL = ObjectFiles("detections_NN.mat caches of UPT and PViC, NN in alphabetical order", "alphabetical")
SINGLE = OneFile("the official detections.mat of all interactions")


def object_order(labels: LabelSpace, order: Order) -> list[int]:
    """Objects in the order of the file numbers: by COCO category id, or as the label space has them."""
    if order == "alphabetical":
        return sorted(range(len(labels.objects)), key=lambda i: labels.objects[i])
    if (labels.coco_ids < 0).any():
        raise UsageError(f"label space {labels.name!r} has objects without COCO ids, so no COCO order")
    return [int(i) for i in np.argsort(labels.coco_ids)]


def interactions_of(labels: LabelSpace, obj: int) -> Array:
    """The interactions of an object, ascending."""
    return np.flatnonzero(labels.interaction_objects == obj)


def _numbered(path: Path) -> dict[int, Path]:
    found = {int(m[1]): file for file in path.iterdir() if (m := NAME.fullmatch(file.name))}
    return dict(sorted(found.items()))


def _fitting_orders(path: Path) -> list[Order]:
    """The orders under which every file holds as many interactions as its object has (HICO's label space)."""
    from scipy.io import whosmat

    labels = load_labels("hico")
    held = {}
    for number, file in _numbered(path).items():
        with reading(file, "a MATLAB file"):
            held[number] = next((shape[0] for name, shape, _ in whosmat(file) if name == "all_boxes"), None)
    orders: tuple[Order, ...] = ("coco", "alphabetical")
    fitting: list[Order] = []
    for order in orders:
        counts = [len(interactions_of(labels, obj)) for obj in object_order(labels, order)]
        if all(1 <= n <= len(counts) and rows == counts[n - 1] for n, rows in held.items()):
            fitting.append(order)
    return fitting


def _needed(truth: Dataset | None, path: Path) -> Dataset:
    if truth is None:
        raise MissingData(
            f"{path}: these files do not name their images; give the annotations they belong to (--truth)"
        )
    return truth


def _read_cells(file: Path, rows: Array, truth: Dataset, what: str) -> tuple[Array, Array, Array]:
    """Image, label and the nine numbers of every detection of a file, by interaction."""
    cells = load_mat(file, "official detections", ["all_boxes"])["all_boxes"]
    expected = (len(rows), len(truth))
    if cells.shape != expected or cells.dtype != object:
        raise DataError(
            f"{file}: all_boxes is {list(cells.shape)}, expected a cell array {list(expected)}: the interactions of "
            f"{what} by the images of {truth.meta.subset or 'the truth'}; is it another order or another subset?"
        )
    flat = cells.reshape(-1)
    sizes = np.fromiter((cell.size for cell in flat), np.int64, len(flat))
    filled = np.flatnonzero(sizes)
    for at in filled.tolist():
        if flat[at].ndim != 2 or flat[at].shape[1] < 9:
            place = f"all_boxes{{{at // len(truth) + 1}, {at % len(truth) + 1}}}"
            raise DataError(f"{file}: {place} is {list(flat[at].shape)}, expected [n, 9]")
    values = [flat[at][:, :9].astype(np.float64) for at in filled.tolist()]
    cell = np.repeat(filled, [len(value) for value in values])
    held = np.concatenate(values) if values else np.empty((0, 9))
    return cell % len(truth), rows[cell // len(truth)], held


def _joined(parts: list[tuple[Array, Array, Array]], truth: Dataset) -> Predictions:
    """Detections by image; within an image by interaction, as the cells have them."""
    image, label, values = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort((label, image))
    image, label, values = image[order], label[order], values[order]
    return Predictions.from_pairs(
        image,
        values[:, :4],
        values[:, 4:8],
        label,
        values[:, 8],
        images=truth.key,
        labels=truth.meta.labels,
        dataset=truth.meta.dataset,
        subset=truth.meta.subset,
    )


class _Cells:
    """Predictions as rows of nine numbers, looked up by interaction and image."""

    def __init__(self, data: Dataset) -> None:
        self.images = len(data)
        label = data.need("label")
        self._order = np.argsort(label, kind="stable")
        self._starts = np.searchsorted(label[self._order], np.arange(len(data.meta.labels) + 1))
        self._image = data.image_of("pair")
        sides = (data.boxes[data.pair_boxes("subject")], data.boxes[data.pair_boxes("object")])
        self._values = np.hstack([*sides, data.need("score")[:, None]]).astype(np.float64)

    def of(self, interactions: Array) -> Array:
        """The cell array (interactions, images)."""
        empty = np.zeros((0, 0))
        cells = np.empty((len(interactions), self.images), object)
        for i in range(len(interactions)):
            cells[i, :] = [empty] * self.images
            rows = self._order[self._starts[interactions[i]] : self._starts[interactions[i] + 1]]
            if not len(rows):
                continue
            images, first = np.unique(self._image[rows], return_index=True)
            for image, mine in zip(images.tolist(), np.split(rows, first[1:]), strict=True):
                cells[i, image] = self._values[mine]
        return cells


def _save(path: Path, cells: Array) -> None:
    from scipy.io import savemat

    savemat(path, {"all_boxes": cells}, do_compression=True)
