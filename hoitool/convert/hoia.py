"""The HOIA JSON of PPDM, QPIC, CDN, GEN-VLKT, HOICLIP, RLIP and RLIPv2: trainval_hico.json, test_vcoco.json, ...

A list over images: file_name, annotations (bbox x1 y1 x2 y2, category_id of COCO) and hoi_annotation (subject_id and
object_id, places in annotations, -1 = no object; category_id, the verb; hoi_category_id, the interaction, HICO only).
Verbs and interactions of HICO count from 1, V-COCO's 29 verbs from 0. corre_<name>.npy (verbs, objects by COCO id) is
1 where a verb can have an object: evaluators multiply scores by it.
Frame: HICO's boxes are zero-based pixel indices, one less than the official ones; V-COCO's are x, y, x + w, y + h.
Source: the annotations published with PPDM (Liao et al., CVPR 2020); convert_vcoco_annotations.py of QPIC.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert.coco_instances import category_ids
from hoitool.convert.fields import integers, nested, numbers, place, positions, rows_of, texts, unique, within
from hoitool.convert.fit import Holds, require_held
from hoitool.convert.reading import Reading
from hoitool.data import Dataset, Meta, offsets_of
from hoitool.data.image_ids import image_ids
from hoitool.errors import DataError, MissingData
from hoitool.files import atomic, load_json, refuse_overwrite, require, sha256
from hoitool.labels import LABEL_SPACES, LabelSpace, load_labels, parse

Array = NDArray[Any]
SUMMARY = "the HOIA JSON of PPDM, QPIC, CDN, GEN-VLKT, HOICLIP and RLIPv2, HICO-DET and V-COCO"
LABELS = "labels.json"  # beside the files, for label spaces that are not packaged
NAMES = {"hico": "hico", "v-coco": "vcoco"}  # label space -> how the files name it
FILE = re.compile(r"(?P<subset>[A-Za-z0-9+-]*)_?(?P<dataset>.*)")
HEAD = 1 << 20


def sniff(path: Path) -> bool:
    """Whether a path is a HOIA file, or a folder that holds one."""
    return any(_looks_like_hoia(file) for file in _files(path))


def _files(path: Path) -> list[Path]:
    """The JSON files of a path, its label space left out."""
    found = sorted(path.glob("[!.]*.json")) if path.is_dir() else [path]
    return [file for file in found if file.suffix == ".json" and file.is_file() and file.name != LABELS]


def _looks_like_hoia(file: Path) -> bool:
    with file.open("rb") as stream:
        head = stream.read(HEAD).removeprefix(b"\xef\xbb\xbf")
    return head.lstrip()[:1] == b"[" and b'"hoi_annotation"' in head and b'"annotations"' in head


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """One part per HOIA file of a path. Raises MissingData without one, DataError naming file, row and field."""
    require(path, "HOIA annotations")
    ends = tuple(f"_{file.stem.removeprefix('corre_')}" for file in path.glob("corre_*.npy"))
    files = [file for file in _files(path) if path.is_file() or file.stem.endswith(ends) or _looks_like_hoia(file)]
    if not files:
        raise MissingData(f"{path}: no HOIA JSON in this folder (trainval_hico.json, test_vcoco.json, ...)")
    parts = [_dataset(file) for file in files]
    spaces = dict.fromkeys(part.meta.labels.name for part in parts)
    if len(spaces) > 1:
        raise DataError(f"{path}: holds files of {' and '.join(spaces)}; name the files of one")
    return Reading(parts)


def _dataset(file: Path) -> Dataset:
    where = str(file)
    images = rows_of(load_json(file, "HOIA annotations", list), where)
    names = texts(images, "file_name", where)
    unique(names, where, "file_name")
    things, thing_image, at_things = nested(images, "annotations", where)
    links, link_image, at_links = nested(images, "hoi_annotation", where)
    counts = np.bincount(thing_image, minlength=len(images)).astype(np.int64)
    by_interaction = bool(links) and "hoi_category_id" in links[0]
    labels = _label_space(file, by_interaction)
    known = np.array(category_ids(labels.coco_ids), np.int64)
    columns = {"subject": integers(links, "subject_id", at_links), "object": integers(links, "object_id", at_links)}
    for name, least in (("subject", 0), ("object", -1)):
        wrong = (columns[name] < least) | (columns[name] >= counts[link_image])
        if wrong.any():
            row = int(wrong.argmax())
            told = f"expected {least}..{counts[link_image[row]] - 1}, a place in the image's annotations"
            raise DataError(f"{place(at_links, row)}.{name}_id is {columns[name][row]}, {told}")
    label = _labels(links, at_links, labels, by_interaction)
    categories = positions(known, integers(things, "category_id", at_things), at_things, "category_id", "object")
    subset, dataset = _named(file, labels)
    meta = Meta(
        labels,
        dataset=dataset,
        subset=subset,
        label_kind="interactions" if by_interaction or not (links or labels.roles) else "verbs",
        box_frame=_frame(labels),
        sources={file.name: sha256(file)},
    )
    return Dataset(
        meta=meta,
        key=names,
        file_name=names,
        boxes=numbers(things, "bbox", at_things, 4),
        categories=categories.astype(np.int32),
        subject=columns["subject"].astype(np.int32),
        object=columns["object"].astype(np.int32),
        label=label.astype(np.int32),
        box_offsets=offsets_of(counts),
        pair_offsets=offsets_of(np.bincount(link_image, minlength=len(images))),
    )


def _labels(links: list[dict[str, Any]], where: str, labels: LabelSpace, by_interaction: bool) -> Array:
    """(n,) labels from 0: interactions where the file has them, else verbs."""
    name, first, count = _numbering(labels, by_interaction)
    values = integers(links, name, where)
    within(values, first, first + count - 1, where, name)
    return values - first


def _numbering(labels: LabelSpace, by_interaction: bool) -> tuple[str, int, int]:
    """The field that holds a label, the number it starts with, and how many there are."""
    if by_interaction:
        return "hoi_category_id", 1, len(labels)
    return "category_id", 0 if labels.roles else 1, len(labels.verbs)


def _label_space(file: Path, by_interaction: bool) -> LabelSpace:
    """That of labels.json beside the file, else by its name; failing that HICO's where interactions are numbered."""
    beside = file.parent / LABELS
    if beside.is_file():
        return parse(beside.read_text(encoding="utf-8", errors="replace"), str(beside))
    if "coco" in file.stem.lower():
        return load_labels("v-coco")
    return load_labels("hico" if by_interaction or "hico" in file.stem.lower() else "v-coco")


def _named(file: Path, labels: LabelSpace) -> tuple[str, str]:
    """The subset and dataset of a file, by its name; HICO's trainval is its training set."""
    told = FILE.fullmatch(file.stem)
    subset = told["subset"] if told else ""
    if labels.name == "hico" and subset == "trainval":
        subset = "train"
    return subset, {"hico": "hico-det"}.get(labels.name, labels.name)


def _frame(labels: LabelSpace) -> Any:
    return "continuous" if labels.roles else "inclusive"


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write <subset>_<name>.json for each part and corre_<name>.npy into the folder `path`."""
    labels = parts[0].meta.labels
    name = NAMES.get(labels.name, labels.name)
    corre = path / f"corre_{name}.npy"
    targets = [path / f"{_subset(part)}_{name}.json" for part in parts]
    for target in (*targets, corre):
        refuse_overwrite(target, overwrite)
    parts = require_held(parts, HOLDS, "HOIA JSON")
    if labels.name not in LABEL_SPACES:
        labels.save(path / LABELS)
    for part, target in zip(parts, targets, strict=True):
        with atomic(target) as temporary:
            temporary.write_text(json.dumps(_entries(part)), encoding="utf-8")
    with atomic(corre) as temporary, temporary.open("wb") as stream:
        np.save(stream, correspondence(labels), allow_pickle=False)
    return [*targets, corre]


def _subset(part: Dataset) -> str:
    subset = part.meta.subset or "all"
    return "trainval" if part.meta.labels.name == "hico" and subset == "train" else subset


def correspondence(labels: LabelSpace) -> Array:
    """(V, O) float64: 1 where a verb can have an object, objects by ascending COCO id."""
    return labels.possible[:, np.argsort(category_ids(labels.coco_ids), kind="stable")].astype(np.float64)


def _entries(data: Dataset) -> list[dict[str, Any]]:
    """The images of a part."""
    labels, label = data.meta.labels, data.need("label")
    numbers_of = np.array(category_ids(labels.coco_ids), np.int64)[data.categories].tolist()
    boxes = data.boxes.tolist() if labels.roles else plain_boxes(data.boxes)
    things = [{"category_id": c, "bbox": box} for c, box in zip(numbers_of, boxes, strict=True)]
    columns = [data.subject.tolist(), data.object.tolist()]
    fields = ["subject_id", "object_id", "category_id"]
    first = 0 if labels.roles else 1
    if data.meta.label_kind == "interactions":
        fields.append("hoi_category_id")
        columns += [(labels.interaction_verbs[label] + first).tolist(), (label + 1).tolist()]
    else:
        columns.append((label + first).tolist())
    links = [dict(zip(fields, row, strict=True)) for row in zip(*columns, strict=True)]
    box_at, pair_at, ids = data.box_offsets.tolist(), data.pair_offsets.tolist(), image_ids(data).tolist()
    made = []
    for i in range(len(data)):
        entry: dict[str, Any] = {
            "annotations": things[box_at[i] : box_at[i + 1]],
            "hoi_annotation": links[pair_at[i] : pair_at[i + 1]],
            "file_name": data.key[i],
        }
        made.append(entry if labels.roles else entry | {"img_id": ids[i]})
    return made


def plain_boxes(boxes: Array) -> list[list[float]]:
    """Boxes as numbers, whole ones without a fraction."""
    whole = np.array_equal(boxes, np.floor(boxes)) and (np.abs(boxes) < 2**53).all()
    rows: list[list[float]] = (boxes.astype(np.int64) if whole else boxes).tolist()
    return rows


def _order(data: Dataset) -> Array:
    """(I,) images as QPIC orders them: by the smallest id of an annotated person, those without one last."""
    if data.box_ids is None or data.annotated is None:
        return np.arange(len(data))
    first = np.full(len(data), np.iinfo(np.int64).max)
    np.minimum.at(first, data.image_of("box")[data.annotated], data.box_ids[data.annotated])
    order: Array = np.argsort(first, kind="stable")
    return order


def _holds(data: Dataset) -> Holds:
    """What the files hold of some data: boxes in the frame that those of their label space have."""
    return replace(HOLDS, box_frame=_frame(data.meta.labels), of=None)


HOLDS = Holds(
    label_kinds=("interactions", "verbs"),
    always=frozenset({"file_name"}),
    objectless=True,
    lonely_boxes=True,
    order=_order,
    of=_holds,
)
