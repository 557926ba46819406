"""bbox_<subset> of anno_bbox.mat: MATLAB's nested structs as columns, and a dataset as such structs again.

A 1xN struct (filename, size, hoi); a hoi entry has id (1-based), bboxhuman and bboxobject (structs x1 x2 y1 y2,
one-based pixels), connection (rows of 1-based human and object numbers of the entry) and invis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.data import Dataset
from hoitool.errors import DataError
from hoitool.progress import progress

Array = NDArray[Any]
CORNERS = ("x1", "y1", "x2", "y2")
HOI_FIELDS = ("id", "bboxhuman", "bboxobject", "connection", "invis")
SIZE_FIELDS = ("width", "height", "depth")


@dataclass(frozen=True)
class Entries:
    """The content of bbox_<subset> as columns: N images, E hoi entries, H and O boxes, C connections."""

    names: list[str]
    size: Array  # (N, 3) width height depth
    entries: Array  # (N,) entries of each image
    id: Array  # (E,) 1-based interaction
    invisible: Array  # (E,)
    humans: Array  # (E,) boxes of each entry
    objects: Array
    links: Array  # (E,) connections of each entry
    human_boxes: Array  # (H, 4) one-based
    object_boxes: Array
    connections: Array  # (C, 2) 1-based human and object of the entry

    @property
    def image(self) -> Array:
        """(E,) the image of each entry."""
        return np.repeat(np.arange(len(self.names)), self.entries)

    @property
    def structure(self) -> Array:
        """(E, 5) id, humans, objects, connections, invis: what shapes an entry, its boxes aside."""
        return np.stack([self.id, self.humans, self.objects, self.links, self.invisible], axis=1).astype(np.int64)


def flatten(structs: Array, where: str) -> Entries:
    """The columns of a struct array. Raises DataError, naming the place below `where`, for what does not fit."""
    rows = structs.ravel()
    held = [_struct_rows(cell) for cell in rows["hoi"]]
    counts = np.array([len(cell) for cell in held], np.int64)
    at = np.repeat(np.arange(len(rows)), counts)
    number = np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)

    def place(entry: int, field: str) -> str:
        return f"{where}({at[entry] + 1}).hoi({number[entry] + 1}).{field}"

    columns = {name: [c for cell in held if len(cell) for c in cell[name]] for name in HOI_FIELDS}
    humans, human_boxes = _boxes(columns["bboxhuman"], lambda e: place(e, "bboxhuman"))
    objects, object_boxes = _boxes(columns["bboxobject"], lambda e: place(e, "bboxobject"))
    links, connections = _connections(columns["connection"], lambda e: place(e, "connection"))
    made = Entries(
        names=[str(cell.ravel()[0]) if cell.size else "" for cell in rows["filename"]],
        size=np.stack([_scalars([s[n][0, 0] for s in rows["size"]], f"{where}.size.{n}") for n in SIZE_FIELDS], axis=1),
        entries=counts,
        id=_scalars(columns["id"], lambda e: place(e, "id")),
        invisible=_scalars(columns["invis"], lambda e: place(e, "invis")),
        humans=humans,
        objects=objects,
        links=links,
        human_boxes=human_boxes,
        object_boxes=object_boxes,
        connections=connections,
    )
    _check_links(made, place)
    seen = ~np.isin(made.invisible, (0, 1))
    if seen.any():
        entry = int(seen.argmax())
        raise DataError(f"{place(entry, 'invis')} is {made.invisible[entry]:g}, expected 0 or 1")
    return made


def _struct_rows(cell: Array) -> Array:
    """A struct array as rows; MATLAB's [] as none."""
    return cell.ravel() if cell.dtype.names else cell.ravel()[:0]


def _scalars(cells: Sequence[Array], where: Any) -> Array:
    """(n,) float64 of n one-element arrays. Raises DataError, naming the place, where one has another size."""
    flat = np.concatenate([cell.ravel() for cell in cells]) if len(cells) else np.empty(0)
    if len(flat) != len(cells):
        wrong = next(i for i, cell in enumerate(cells) if cell.size != 1)
        place = where(wrong) if callable(where) else where
        raise DataError(f"{place}: {cells[wrong].size} values, expected one")
    return flat.astype(np.float64)


def _boxes(cells: Sequence[Array], place: Any) -> tuple[Array, Array]:
    """How many boxes each entry has, and all of them (n, 4) as x1 y1 x2 y2."""
    held = [_struct_rows(cell) for cell in cells]
    counts = np.array([len(cell) for cell in held], np.int64)
    owner = np.repeat(np.arange(len(held)), counts)
    corners = []
    for name in CORNERS:
        values = [value for cell in held if len(cell) for value in cell[name]]
        corners.append(_scalars(values, partial(_corner_place, place, owner, name)))
    return counts, np.stack(corners, axis=1)


def _corner_place(place: Any, owner: Array, name: str, box: int) -> str:
    return f"{place(owner[box])}.{name}"


def _connections(cells: Sequence[Array], place: Any) -> tuple[Array, Array]:
    counts = np.array([len(cell) if cell.size else 0 for cell in cells], np.int64)
    held = [cell for cell in cells if cell.size]
    for entry in np.flatnonzero(counts).tolist():
        if cells[entry].ndim != 2 or cells[entry].shape[1] != 2:
            raise DataError(f"{place(entry)}: shape {list(cells[entry].shape)}, expected [n, 2]")
    return counts, (np.concatenate(held) if held else np.empty((0, 2))).astype(np.float64)


def _check_links(entries: Entries, place: Any) -> None:
    owner = np.repeat(np.arange(len(entries.id)), entries.links)
    for side, counts in ((0, entries.humans), (1, entries.objects)):
        number = entries.connections[:, side]
        wrong = ~((number >= 1) & (number <= counts[owner]) & (number == np.floor(number)))
        if wrong.any():
            row = int(wrong.argmax())
            what = ("human", "object")[side]
            raise DataError(
                f"{place(owner[row], 'connection')}: {what} {number[row]:g}, expected 1..{counts[owner[row]]}"
            )


def structs(data: Dataset, extras: dict[str, Any]) -> Array:
    """bbox_<subset> as MATLAB writes it: a 1xN struct array of doubles.

    extras  by image name: `depth` where it is not 3, and `entries`, the shape (Entries.structure) of unusual ones
    """
    made = np.empty((1, len(data)), [(name, object) for name in ("filename", "size", "hoi")])
    depth, odd = extras.get("depth", {}), extras.get("entries", {})
    width = data.width if data.width is not None else np.zeros(len(data))
    height = data.height if data.height is not None else np.zeros(len(data))
    for i, key in enumerate(progress(data.key.tolist(), f"writing {data.meta.subset}")):
        entries = _structured(data, i, odd[key]) if key in odd else None
        entries = _usual(data, i) if entries is None else entries
        hoi = np.empty((1, len(entries)), [(name, object) for name in HOI_FIELDS])
        for j, entry in enumerate(entries):
            hoi[0, j] = entry
        size = _struct(SIZE_FIELDS, [[float(width[i])], [float(height[i])], [float(depth.get(key, 3))]])
        made[0, i] = (key, size, hoi)
    return made


def _usual(data: Dataset, image: int) -> list[tuple[Any, ...]]:
    """Entries of an image: a label with pairs has the boxes they use; a present label without any is invisible."""
    assert data.label is not None
    pairs = np.arange(data.pair_offsets[image], data.pair_offsets[image + 1])
    by_label: dict[int, list[int]] = {}
    if data.image_label is not None and data.image_value is not None and data.image_label_offsets is not None:
        rows = slice(data.image_label_offsets[image], data.image_label_offsets[image + 1])
        paired = set(data.label[pairs].tolist())
        for label, value in zip(data.image_label[rows].tolist(), data.image_value[rows].tolist(), strict=True):
            if value == 1 or label in paired:
                by_label[label] = []
    for pair, label in zip(pairs.tolist(), data.label[pairs].tolist(), strict=True):
        by_label.setdefault(label, []).append(pair)
    boxes = data.boxes[data.box_offsets[image] : data.box_offsets[image + 1]]
    made = []
    for label, members in by_label.items():
        subjects, subject = _numbered(data.subject[members])
        objects, obj = _numbered(data.object[members])
        made.append(_entry(label + 1, boxes[subjects], boxes[objects], np.stack([subject, obj], axis=1), not members))
    return made


def _numbered(index: Array) -> tuple[list[int], Array]:
    """Distinct values in order of appearance, and for each value its 1-based number among them."""
    number: dict[int, int] = {}
    return_index = [number.setdefault(value, len(number) + 1) for value in index.tolist()]
    return list(number), np.array(return_index, float)


def _structured(data: Dataset, image: int, structure: list[list[int]]) -> list[tuple[Any, ...]] | None:
    """Entries of an image in the recorded shape, None when boxes, pairs or labels have changed since."""
    box, pair = int(data.box_offsets[image]), int(data.pair_offsets[image])
    totals = np.array(structure, np.int64).reshape(-1, 5).sum(axis=0)
    if totals[1] + totals[2] != data.box_offsets[image + 1] - box or totals[3] != data.pair_offsets[image + 1] - pair:
        return None
    recorded = np.repeat([row[0] - 1 for row in structure], [row[3] for row in structure])
    if not np.array_equal(recorded, data.need("label")[pair : data.pair_offsets[image + 1]]):
        return None
    made, inside = [], 0
    for number, humans, objects, links, invisible in structure:
        first = box + inside
        subject = data.subject[pair : pair + links] - inside + 1
        obj = data.object[pair : pair + links] - inside - humans + 1
        human_boxes, object_boxes = (
            data.boxes[first : first + humans],
            data.boxes[first + humans : first + humans + objects],
        )
        made.append(_entry(number, human_boxes, object_boxes, np.stack([subject, obj], axis=1), bool(invisible)))
        inside, pair = inside + humans + objects, pair + links
    return made


def _entry(number: int, humans: Array, objects: Array, connection: Array, invisible: bool) -> tuple[Any, ...]:
    links = connection.astype(float) if len(connection) else np.empty((0, 0))
    return float(number), _box_structs(humans), _box_structs(objects), links, float(invisible)


def _box_structs(boxes: Array) -> Array:
    """One-based boxes as a 1xn struct array x1 x2 y1 y2, or MATLAB's []."""
    if not len(boxes):
        return np.empty((0, 0))
    x1, y1, x2, y2 = (boxes.astype(np.float64) + 1).T.tolist()
    return _struct(("x1", "x2", "y1", "y2"), [x1, x2, y1, y2])


def _struct(names: Sequence[str], columns: Sequence[Sequence[Any]]) -> Array:
    made = np.empty((1, len(columns[0])), [(name, object) for name in names])
    for name, column in zip(names, columns, strict=True):
        made[name][0] = column
    return made
