"""COCO instances JSON, and COCO with relations: the same with pairs of annotations and the verbs between them.

Layout: images, annotations, categories as COCO has them. Relations add, at the top level: predicates ({id, name}),
relations ({id, image_id, subject_id, object_id, predicate_id}: ids of annotations, object_id null = no object),
interactions ({predicate_id, category_id}: what can be, category_id null = the verb alone), and on an annotation
`annotated` (whether a person's interactions were annotated). Programs that read COCO overlook them.
Frame: COCO's x, y, w, h there; continuous corners x, y, x + w, y + h here. Label kind: verbs; of a file that has no
predicates objects: boxes alone.
Source: cocodataset.org/#format-data; the relations are our own: hoitool/convert/pages/coco.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.convert import coco_instances as coco
from hoitool.convert.coco_labels import category_numbers, interaction_rows, label_space
from hoitool.convert.fields import by_image, integers, positions, rows_of
from hoitool.convert.fit import Holds, Lost, require_held
from hoitool.convert.reading import Reading
from hoitool.data import Dataset, Meta, offsets_of
from hoitool.data.dataset import Array
from hoitool.data.image_ids import image_ids
from hoitool.errors import DataError, UsageError
from hoitool.files import json_object_with, load_json, refuse_overwrite, require, sha256, write_text

SUMMARY = "COCO instances JSON, and COCO with relations"
WORDS = ("images", "annotations", "categories")
DATASETS = {"hico": "hico-det", "v-coco": "v-coco"}  # by label space
KEPT = {"id", "image_id", "category_id", "bbox", "area", "iscrowd", "ignore", "annotated"}
KEPT_OF_IMAGES = {"id", "file_name", "width", "height"}


def _own_ids(data: Dataset) -> tuple[Dataset, Lost]:
    """Data whose boxes have ids of their own; others are numbered anew, which is counted."""
    if data.box_ids is None or len(np.unique(data.box_ids)) == len(data.box_ids):
        return data, {}
    return data.with_columns(box_ids=None), {"ids of boxes that are not all different": len(data.box_ids)}


HOLDS = Holds(
    label_kinds=("verbs", "objects"),
    box_frame="continuous",
    extents=True,
    always=frozenset({"file_name", "width", "crowd", "box_ids"}),
    optional=frozenset({"annotated"}),
    objectless=True,
    lonely_boxes=True,
    also=_own_ids,
)


def sniff(path: Path) -> bool:
    """Whether a path is such a file, or a folder with some that is not one of V-COCO's."""
    if path.is_dir() and (any(path.glob("vcoco_*.json")) or (path / "vcoco").is_dir()):
        return False
    return bool(_files(path))


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """One part for each file. Raises MissingData, DataError with file, row and field.

    path  a file, or a folder: its instances*.json where there are some, else all COCO files in it
    """
    require(path, "COCO instances")
    files = _files(path) or ([path] if path.is_file() else sorted(path.glob("instances*.json")))
    if not files:
        raise DataError(f"{path}: no COCO instances JSON in it")
    parts, notes = [], []
    for file in files:
        table = load_json(file, "COCO instances", dict, emptied=coco.OUTLINES)
        parts.append(_dataset(table, file))
        notes += _overlooked(table, file)
    return Reading(parts, notes=notes)


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write a part as the file `path` (.json), or each into the folder `path` as instances_<subset>.json."""
    held = require_held(parts, HOLDS, "COCO JSON")
    files = targets(held, path, "instances", overwrite)
    for part, file in zip(held, files, strict=True):
        write_text(file, json.dumps(_content(part), allow_nan=False))
    return files


def targets(parts: Sequence[Dataset], path: Path, word: str, overwrite: bool) -> list[Path]:
    """The file of each part: `path` (.json) itself, or <word>_<subset>.json in the folder `path`.

    Raises UsageError for several parts and one file, and for files that may not be replaced.
    """
    if path.suffix == ".json" and len(parts) > 1:
        names = ", ".join(part.meta.subset for part in parts)
        raise UsageError(f"{path}: the source holds {len(parts)} subsets ({names}); name a folder for them")
    names_of = ["_".join(filter(None, (word, part.meta.subset))) for part in parts]
    files = [path] if path.suffix == ".json" else [path / f"{name}.json" for name in names_of]
    for file in files:
        refuse_overwrite(file, overwrite)
    return files


def _files(path: Path) -> list[Path]:
    inside = [path]
    if path.is_dir():
        inside = sorted(path.glob("instances*.json")) or sorted(path.glob("*.json"))
    return [file for file in inside if json_object_with(file, *WORDS) and not _others(file)]


def _others(file: Path) -> bool:
    """Whether a file is one of pocket's or of LVIS's, which have more fields."""
    return json_object_with(file, "boxes_h") or json_object_with(file, "neg_category_ids")


def named(table: dict[str, Any], file: Path) -> tuple[str, str]:
    """Dataset and subset: what `info` says where hoitool wrote it; else none, and the word in the file's name."""
    info = table.get("info")
    said = [info.get(name) for name in ("dataset", "subset")] if isinstance(info, dict) else [None, None]
    word = re.search(r"(?<![a-z])(trainval|train|val|test)(?![a-z])", file.stem.lower())
    dataset, subset = (value if isinstance(value, str) else None for value in said)
    return dataset or "", (word[1] if word else "") if subset is None else subset


def _dataset(table: dict[str, Any], file: Path) -> Dataset:
    instances = coco.parse_instances(table, file)
    dataset, subset = named(table, file)
    relations = rows_of(table.get("relations", []), f"{file}: relations")
    subject, obj, verb, image = _relations(relations, table, instances)
    present = np.stack([verb, np.where(obj < 0, -1, instances.category[obj])], axis=1)
    folder = next((p.name for p in file.resolve().parents if p.name != "annotations"), "")
    space, category_of, verb_of = label_space(table, instances, present, file, dataset or folder)
    meta = Meta(
        space,
        dataset=dataset or DATASETS.get(space.name, folder),
        subset=subset,
        label_kind="verbs" if "predicates" in table else "objects",
        box_frame="continuous",
        sources={file.name: sha256(file)},
    )
    data = instances.images(instances.image_ids, meta, category_of).data
    place = _places(instances.image_row, data.box_offsets)
    order = by_image(image)
    annotated = _annotated(table, file)
    rows = by_image(instances.image_row)
    return data.with_columns(
        annotated=None if annotated is None else annotated[rows],
        subject=place[subject][order],
        object=np.where(obj < 0, np.int32(-1), place[obj])[order],
        label=verb_of[verb][order],
        pair_offsets=offsets_of(np.bincount(image, minlength=len(data))),
    )


def _places(image: Array, offsets: Array) -> Array:
    """(A + 1,) int32: where each annotation stands among its image's; the last entry is a place for none."""
    order = by_image(image)
    made = np.zeros(len(image) + 1, np.int32)
    made[order] = np.arange(len(image)) - offsets[image[order]]
    return made


def _relations(
    rows: list[dict[str, Any]], table: dict[str, Any], instances: coco.Instances
) -> tuple[Array, Array, Array, Array]:
    """(R,) rows of the annotations of subject and object (-1: none), of the predicate by ascending id, of the image."""
    where, file = f"{instances.where}: relations", instances.where
    if rows and "predicates" not in table:
        raise DataError(f"{file}: relations without predicates")
    known = np.sort(integers(rows_of(table.get("predicates", []), f"{file}: predicates"), "id", f"{file}: predicates"))
    verb = positions(known, integers(rows, "predicate_id", where), where, "predicate_id", "predicate")
    image = positions(instances.image_ids, integers(rows, "image_id", where), where, "image_id", "image")
    subject = positions(instances.ids, integers(rows, "subject_id", where), where, "subject_id", "annotation")
    none = np.array([row.get("object_id") is None for row in rows], bool)
    filled = [{"object_id": row["subject_id"]} if gone else row for row, gone in zip(rows, none.tolist(), strict=True)]
    obj = positions(instances.ids, integers(filled, "object_id", where), where, "object_id", "annotation")
    for name, box in (("subject_id", subject), ("object_id", obj)):
        wrong = instances.image_row[box] != image if len(rows) else none
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(
                f"{where}[{row}].{name} is {instances.ids[box[row]]}, an annotation of image "
                f"{instances.image_of[box[row]]}, expected one of image {instances.image_ids[image[row]]}"
            )
    return subject, np.where(none, -1, obj), verb, image


def _annotated(table: dict[str, Any], file: Path) -> Array | None:
    rows = table["annotations"]
    if not any("annotated" in row for row in rows):
        return None
    for i, row in enumerate(rows):
        if row.get("annotated", False) not in (True, False, 0, 1):
            raise DataError(f"{file}: annotations[{i}].annotated is {row['annotated']!r:.40}, expected true or false")
    return np.array([bool(row.get("annotated", False)) for row in rows], bool)


def _overlooked(table: dict[str, Any], file: Path) -> list[str]:
    """What the columns do not keep of a file, and what names images without names, each in one line."""
    told = []
    for name, kept in (("annotations", KEPT), ("images", KEPT_OF_IMAGES)):
        if others := sorted(set().union(*table[name]) - kept):
            told.append(f"{', '.join(others)} of {name}")
    boxes = ((row["area"], row["bbox"]) for row in table["annotations"] if "area" in row)
    if any(area > 0 and area != box[2] * box[3] for area, box in boxes):
        told.append("areas other than width times height")
    made = [f"{file}: not kept: {'; '.join(told)}"] if told else []
    if table["images"] and not any(coco.NAME in row for row in table["images"]):
        made.append(f"{file}: its images have no file_name; their ids name them, as 000000000042.jpg")
    return made


def _content(data: Dataset) -> dict[str, Any]:
    labels = data.meta.labels
    numbers = category_numbers(labels)
    rows = [row for image in coco.annotation_rows(data, numbers) for row in image]
    if data.annotated is not None:
        for row, value in zip(rows, data.annotated.tolist(), strict=True):
            row["annotated"] = value
    info = {"description": f"written by hoitool from {data.meta.dataset or labels.name}"}
    made: dict[str, Any] = {
        "info": info | {"dataset": data.meta.dataset, "subset": data.meta.subset},
        "images": coco.image_rows(data),
        "annotations": rows,
        "categories": [{"id": n, "name": name} for n, name in sorted(zip(numbers, labels.objects, strict=True))],
    }
    if labels.verbs and data.meta.label_kind == "verbs":
        made["predicates"] = [{"id": i, "name": name} for i, name in enumerate(labels.verbs, 1)]
        made["relations"] = _relation_rows(data)
        listed = interaction_rows(labels, numbers)
        made |= {} if listed is None else {"interactions": listed}
    return made


def _relation_rows(data: Dataset) -> list[dict[str, Any]]:
    ids = data.need("box_ids")
    obj = data.pair_boxes("object")
    none = (obj < 0).tolist()
    columns = zip(
        image_ids(data)[data.image_of("pair")].tolist(),
        ids[data.pair_boxes("subject")].tolist(),
        ids[obj].tolist() if len(ids) else obj.tolist(),
        (data.need("label") + 1).tolist(),
        strict=True,
    )
    return [
        {"id": i, "image_id": image, "subject_id": s, "object_id": None if none[i - 1] else o, "predicate_id": v}
        for i, (image, s, o, v) in enumerate(columns, 1)
    ]
