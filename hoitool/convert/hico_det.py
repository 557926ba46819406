"""HICO-DET's official annotations: anno_bbox.mat (boxes and pairs) and anno.mat (image-level labels).

Layout: bbox_train and bbox_test are 1xN structs (filename, size, hoi); a hoi entry has id (1-based), bboxhuman,
bboxobject (structs x1 x2 y1 y2), connection (rows of 1-based human and object numbers) and invis. anno.mat has
list_*, and anno_* (K x N): 1 present, -1 absent, 0 uncertain, NaN unknown.
Frame: one-based pixel indices there, the inclusive zero-based frame here (minus 1).
An entry becomes an image label 1, with a pair for each connection; an invisible one has none, and comes back so.
Integers may be stored as uint8 or uint16: everything is widened to float64 before arithmetic.
Source: Chao et al., WACV 2018; hoitool/convert/pages/hico-det.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert.fit import Holds, Lost, implied_classes, in_pairs, require_held
from hoitool.convert.hico_actions import action_rows, action_structs, cells, kept_text, label_space, text
from hoitool.convert.hico_structs import Entries, flatten, structs
from hoitool.convert.reading import Reading
from hoitool.data import Dataset, Meta, offsets_of, ranges, strings
from hoitool.errors import DataError, UsageError
from hoitool.files import atomic, load_mat, reading, refuse_overwrite, require, sha256, starts_with

Array = NDArray[Any]
SUMMARY = "the official HICO-DET annotations, anno_bbox.mat with anno.mat"
BOXES, LABELS = "anno_bbox.mat", "anno.mat"
SUBSETS = ("train", "test")
EXTRA = "hico-det"


def _official(data: Dataset) -> tuple[Dataset, Lost]:
    """Data as they come back: an image label 1 for every pair's label, corners that were moved by a pixel and back.

    Data that came from such files do already.
    """
    if EXTRA in data.meta.extras:
        return data, {}
    lonely = int((~in_pairs(data)).sum())
    data, lost = implied_classes(data)
    lost["boxes in no pair"] = lonely
    table = np.full((len(data), len(data.meta.labels)), np.iinfo(np.int8).min, np.int8)
    table[data.image_of("image_label"), data.need("image_label")] = data.need("image_value")
    contradicted = table[data.image_of("pair"), data.need("label")]
    lost["labels of whole images that their pairs contradict"] = int(np.isin(contradicted, (-1, 0)).sum())
    table[data.image_of("pair"), data.need("label")] = 1
    image, label = np.nonzero(table != np.iinfo(np.int8).min)
    offsets = offsets_of(np.bincount(image, minlength=len(data)))
    corners = (data.boxes.astype(np.float64) + 1) - 1  # the file counts from 1
    lost["last bits of the corners of boxes"] = int((corners != data.boxes).any(axis=1).sum())
    values: dict[str, Any] = {"image_label": label.astype(np.int32), "image_value": table[image, label]}
    values["boxes"] = corners
    return data.with_columns(**values, image_label_offsets=offsets), lost


HOLDS = Holds(
    box_frame="inclusive", always=frozenset({"file_name", "width", "image_label"}), lonely_boxes=True, also=_official
)


def sniff(path: Path) -> bool:
    """Whether a path is anno_bbox.mat, or a folder that holds it."""
    file = path / BOXES if path.is_dir() else path
    return (
        file.name.startswith("anno_bbox")
        and file.suffix == ".mat"
        and (starts_with(file, b"MATLAB") or starts_with(file, b"\x89HDF"))
    )


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """The train and test subsets that the files hold.

    path  anno_bbox.mat (anno.mat is taken from beside it), or the folder of both. Raises MissingData, DataError.
    """
    boxes_file = path / BOXES if path.is_dir() else path
    require(boxes_file, "the official anno_bbox.mat")
    labels_file = boxes_file.parent / LABELS
    content = load_mat(boxes_file, "the official anno_bbox.mat", ["list_action"], [f"bbox_{s}" for s in SUBSETS])
    images, notes = {}, []
    if labels_file.is_file():
        images = load_mat(
            labels_file, "the official anno.mat", [], [f"{n}_{s}" for s in SUBSETS for n in ("list", "anno")]
        )
    else:
        notes.append(f"{labels_file} is not there: image labels hold only the positives of {boxes_file.name}")
    with reading(boxes_file, "the official anno_bbox.mat"):
        actions = action_rows(content["list_action"], f"{boxes_file}: list_action")
        flat = {s: flatten(content[f"bbox_{s}"], f"{boxes_file}: bbox_{s}") for s in SUBSETS if f"bbox_{s}" in content}
    if not flat:
        raise DataError(f"{boxes_file}: neither bbox_train nor bbox_test, expected at least one of them")
    for subset, entries in flat.items():
        fits = (entries.size >= 0) & (entries.size <= np.iinfo(np.int32).max)
        if not fits.all():
            row = int((~fits).any(axis=1).argmax())
            told = " ".join(f"{value:g}" for value in entries.size[row])
            raise DataError(f"{boxes_file}: bbox_{subset}({row + 1}).size is {told}, expected pixels (unknown is 0)")
        _check_ids(entries, len(actions), f"{boxes_file}: bbox_{subset}")
    del content
    space = label_space(
        actions,
        boxes_file.resolve().parent.name,
        f"list_action of {boxes_file.name}; training pairs counted in its bbox_train",
        _training_pairs(flat.get("train"), len(actions)),
    )
    files = [boxes_file, labels_file] if images else [boxes_file]
    sources = {file.name: sha256(file) for file in files}
    parts = []
    for subset, entries in flat.items():
        meta = Meta(space, dataset=space.name if space.name != "hico" else "hico-det", subset=subset, sources=sources)
        table = _image_table(images, subset, entries, len(space), labels_file)
        parts.append(_dataset(entries, table, meta, actions))
    return Reading(parts, notes=notes)


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write subsets as <path>/anno_bbox.mat and <path>/anno.mat. Raises UsageError when one is not train or test."""
    from scipy.io import savemat

    targets = [path / BOXES, path / LABELS]
    for target in targets:
        refuse_overwrite(target, overwrite)
    boxes: dict[str, Any] = {}
    labels: dict[str, Any] = {}
    for part in require_held(parts, HOLDS, "the official layout"):
        subset = part.meta.subset
        if subset not in SUBSETS:
            raise UsageError(f"{part!r}: the official layout holds the subsets train and test only")
        boxes[f"bbox_{subset}"] = structs(part, part.meta.extras.get(EXTRA, {}))
        labels[f"list_{subset}"] = cells(part.key).reshape(-1, 1)
        labels[f"anno_{subset}"] = _anno(part)
        boxes["list_action"] = labels["list_action"] = action_structs(part, EXTRA, "hico")
    for target, content in zip(targets, (boxes, labels), strict=True):
        with atomic(target) as temporary:
            savemat(temporary, content, do_compression=True, oned_as="row")
    return targets


def _check_ids(entries: Entries, classes: int, where: str) -> None:
    wrong = (entries.id < 1) | (entries.id > classes) | (entries.id != np.floor(entries.id))
    if wrong.any():
        row = int(wrong.argmax())
        name = entries.names[entries.image[row]]
        raise DataError(f"{where}: image {name!r} has interaction {entries.id[row]:g}, expected 1..{classes}")


def _training_pairs(train: Entries | None, classes: int) -> Array | None:
    """(K,) the pairs of each interaction in the training set, None where the file does not hold it."""
    if train is None:
        return None
    return np.bincount(np.repeat(train.id, train.links).astype(np.int64) - 1, minlength=classes)


def _image_table(images: dict[str, Any], subset: str, entries: Entries, classes: int, file: Path) -> Array:
    """anno_<subset> (K, N), all NaN without anno.mat. Raises DataError when it does not fit the boxes."""
    if f"anno_{subset}" not in images or f"list_{subset}" not in images:
        return np.full((classes, len(entries.names)), np.nan)
    table: Array = images[f"anno_{subset}"]
    if table.dtype.kind not in "iufb":
        raise DataError(f"{file}: anno_{subset} is {table.dtype}, expected numbers")
    table = table.astype(np.float64, copy=False)
    if table.shape != (classes, len(entries.names)):
        raise DataError(f"{file}: anno_{subset} is {list(table.shape)}, expected {[classes, len(entries.names)]}")
    if not np.isin(table[~np.isnan(table)], (-1, 0, 1)).all():
        raise DataError(f"{file}: anno_{subset} holds values other than 1, -1, 0 and NaN")
    listed = [text(cell) for cell in images[f"list_{subset}"].ravel()]
    if len(listed) != len(entries.names):
        raise DataError(f"{file}: list_{subset} names {len(listed)} images, expected {len(entries.names)}")
    for i, (mine, theirs) in enumerate(zip(listed, entries.names, strict=True)):
        if mine != theirs:
            raise DataError(f"{file}: list_{subset}({i + 1}) is {mine!r}, bbox_{subset}({i + 1}) is {theirs!r}")
    return table


def _dataset(entries: Entries, table: Array, meta: Meta, actions: list[list[Any]]) -> Dataset:
    """Columns from entries and image labels."""
    image, per_entry = entries.image, entries.humans + entries.objects
    label = entries.id.astype(np.int32) - 1
    start = np.cumsum(per_entry) - per_entry
    boxes, categories = np.empty((int(per_entry.sum()), 4)), np.empty(int(per_entry.sum()), np.int32)
    human_rows = ranges(start, entries.humans)
    object_rows = ranges(start + entries.humans, entries.objects)
    boxes[human_rows], boxes[object_rows] = entries.human_boxes - 1, entries.object_boxes - 1
    categories[human_rows] = meta.labels.person
    categories[object_rows] = np.repeat(meta.labels.interaction_objects[label], entries.objects)
    box_offsets = offsets_of(_per_image(per_entry, entries.entries))
    inside = start - box_offsets[image]
    subject = np.repeat(inside, entries.links) + entries.connections[:, 0] - 1
    obj = np.repeat(inside + entries.humans, entries.links) + entries.connections[:, 1] - 1
    labels = _image_labels(entries, label, table)
    return Dataset(
        meta=replace(meta, extras={EXTRA: _extras(entries, label, table, actions)}),
        key=strings(entries.names),
        file_name=strings(entries.names),
        width=entries.size[:, 0].astype(np.int32),
        height=entries.size[:, 1].astype(np.int32),
        boxes=boxes,
        categories=categories,
        subject=subject.astype(np.int32),
        object=obj.astype(np.int32),
        label=np.repeat(label, entries.links),
        image_label=labels[1],
        image_value=labels[2],
        box_offsets=box_offsets,
        pair_offsets=offsets_of(_per_image(entries.links, entries.entries)),
        image_label_offsets=offsets_of(np.bincount(labels[0], minlength=len(entries.names))),
    )


def _per_image(per_entry: Array, entries: Array) -> Array:
    counts: Array = np.diff(offsets_of(per_entry)[offsets_of(entries)])
    return counts


def _image_labels(entries: Entries, label: Array, table: Array) -> tuple[Array, Array, Array]:
    """Image, label and value of every image label: entries in their order, then the others by label."""
    mine = table[label, entries.image]
    others = ~np.isnan(table)
    others[label, entries.image] = False
    other_image, other_label = np.nonzero(others.T)
    image = np.concatenate([entries.image, other_image])
    order = np.argsort(image, kind="stable")
    labels = np.concatenate([label, other_label])[order].astype(np.int32)
    values = np.concatenate([np.where(np.isnan(mine), 1, mine), table[other_label, other_image]])[order]
    return image[order], labels, values.astype(np.int8)


def _extras(entries: Entries, label: Array, table: Array, actions: list[list[Any]]) -> dict[str, Any]:
    """What the columns cannot hold, by image name: odd depths, entries of an unusual shape, entries not in anno.mat."""
    depth, image, starts = entries.size[:, 2], entries.image, offsets_of(entries.entries)
    structure = entries.structure
    odd = np.unique(image[_odd_entries(entries, label, table)])
    odd = np.union1d(odd, np.flatnonzero((table == 1).sum(axis=0) > np.bincount(
        image[table[label, image] == 1], minlength=len(entries.names))))  # fmt: skip
    unlabelled: dict[str, list[int]] = {}
    if not np.isnan(table).all():
        for e in np.flatnonzero(np.isnan(table[label, image])).tolist():
            unlabelled.setdefault(entries.names[int(image[e])], []).append(int(label[e]))
    return {
        "list_action": kept_text(actions),
        "depth": {entries.names[i]: float(depth[i]) for i in np.flatnonzero(depth != 3)},
        "entries": {entries.names[i]: structure[starts[i] : starts[i + 1]].tolist() for i in odd.tolist()},
        "unlabelled": unlabelled,
    }


def _odd_entries(entries: Entries, label: Array, table: Array) -> Array:
    """(E,) entries that `write` would not bring back from labels, pairs and the boxes they use."""
    owner = np.repeat(np.arange(len(label)), entries.links)
    odd = (entries.invisible != 0) == (entries.links > 0)
    odd |= (entries.links == 0) & np.isin(table[label, entries.image], (-1, 0))
    for side, counts in ((0, entries.humans), (1, entries.objects)):
        # connections that take boxes in order use number 1 first, then at most one more than any before, to the last
        step = int(counts.max(initial=0)) + 1
        highest = np.maximum.accumulate(entries.connections[:, side] + owner * step) - owner * step
        before = np.concatenate([[0.0], highest[:-1]])
        before[np.concatenate([[True], owner[1:] != owner[:-1]])[: len(before)]] = 0
        odd[owner[highest > before[: len(highest)] + 1]] = True
        last = np.zeros(len(label))
        np.maximum.at(last, owner, highest)
        odd |= last != counts
    key = entries.image * (table.shape[0] + 1) + label
    values, count = np.unique(key, return_counts=True)
    repeated: Array = np.isin(key, values[count > 1])
    odd_ones: Array = odd | repeated
    return odd_ones


def _anno(data: Dataset) -> Array:
    """anno_<subset> (K, N)."""
    table = np.full((len(data.meta.labels), len(data)), np.nan)
    table[data.need("label"), data.image_of("pair")] = 1
    if data.image_label is not None and data.image_value is not None:
        table[data.image_label, data.image_of("image_label")] = data.image_value
    unlabelled = data.meta.extras.get(EXTRA, {}).get("unlabelled", {})
    for i in [i for i, key in enumerate(data.key.tolist()) if key in unlabelled] if unlabelled else []:
        table[unlabelled[data.key[i]], i] = np.nan
    return table
