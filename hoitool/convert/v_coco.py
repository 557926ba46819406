"""V-COCO's official annotations: vcoco_<subset>.json with its split ids, beside the COCO instances they point into.

vcoco_*.json is a list of 26 actions, whose rows are annotated people: image_id, ann_id (of the person), label (0, 1),
role_name (agent first), role_object_id (role by role; 0 = none), include (the objects a role takes). A person-box is
*annotated* when it has rows; everybody else is not known to do nothing.
A positive becomes a pair for each role of its action, its object -1 where the role is empty; an action without roles
gives a pair without an object. Pairs of an image stand by action, then row, then role.
Frame: COCO's x, y, w, h there; continuous corners x, y, x + w, y + h here.
Source: Gupta and Malik, 2015; github.com/s-gupta/v-coco; hoitool/convert/pages/v-coco.md.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert import coco_instances as coco
from hoitool.convert.fields import positions
from hoitool.convert.fit import Holds, Lost, require_held
from hoitool.convert.reading import Reading
from hoitool.convert.v_coco_blocks import Block, blocks_of, ids_of
from hoitool.data import Dataset, Meta, offsets_of, ranges, select_pairs
from hoitool.data.image_ids import image_ids
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.files import atomic, refuse_overwrite, require, sha256
from hoitool.labels import LabelSpace, build, load_labels
from hoitool.labels.space import NOTHING

Array = NDArray[Any]
SUMMARY = "the official V-COCO annotations, vcoco_*.json with split ids and COCO instances"
INSTANCES = "instances_vcoco_all_2014.json"
BODY = ("vcoco", "", "splits", "annotations")  # folders below the root in which the files lie
KEYS = (b'"action_name"', b'"role_object_id"', b'"ann_id"', b'"role_name"', b'"image_id"', b'"include"', b'"label"')


def sniff(path: Path) -> bool:
    """Whether a path is vcoco_<subset>.json, or a folder that holds one, beside COCO instances or not."""
    return any(_looks_official(file) for file in _subset_files(path).values())


def _looks_official(file: Path) -> bool:
    with file.open("rb") as stream:
        head = stream.read(64).lstrip()
    return head.startswith(b"[") and any(key in head for key in KEYS)


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """One part per vcoco_<subset>.json. Raises MissingData without COCO instances, DataError naming file and row."""
    require(path, "official V-COCO annotations")
    files = _subset_files(path)
    if not files:
        raise MissingData(f"{path}: no vcoco_<subset>.json in it, nor in {path / 'vcoco'}")
    parts, notes, dropped = [], [], 0
    held: dict[Path, coco.Instances] = {}
    for subset, file in files.items():
        source = _instances_file(file, subset)
        if source not in held:
            held[source] = coco.read_instances(source)
        blocks = blocks_of(file)
        ids, ids_file = _image_ids(file, subset, blocks, held[source])
        if ids_file is None:
            notes.append(f"{file}: no vcoco_{subset}.ids beside it, so images are those with annotated people")
        sources = {f.name: sha256(f) for f in (file, source, ids_file) if f is not None}
        part, outside = _dataset(file, blocks, ids, held[source], subset, sources)
        dropped += outside
        parts.append(part)
    reasons = {"annotated people of images outside the split": dropped} if dropped else {}
    notes.append("segmentations, licences and URLs of the COCO instances are not kept")
    return Reading(parts, reasons, notes)


def _subset_files(path: Path) -> dict[str, Path]:
    """The vcoco_<subset>.json of a path, by subset."""
    if path.is_file():
        found = [path] if path.name.startswith("vcoco_") and path.suffix == ".json" else []
    else:
        folder = path / "vcoco" if (path / "vcoco").is_dir() else path
        found = sorted(folder.glob("vcoco_*.json")) if folder.is_dir() else []
    order = {"train": 0, "val": 1, "trainval": 2, "test": 3}
    subsets = {file.stem.removeprefix("vcoco_"): file for file in found if file.is_file()}
    return dict(sorted(subsets.items(), key=lambda item: (order.get(item[0], 9), item[0])))


def _beside(file: Path, names: Sequence[str]) -> Path | None:
    """The first file of these names in the folder of `file`, or in the folders where the official layout puts it."""
    roots = [file.parent, file.parent.parent] if file.parent.name == "vcoco" else [file.parent]
    for root in roots:
        for body in BODY:
            for name in names:
                if (found := root / body / name).is_file():
                    return found
    return None


def _instances_file(file: Path, subset: str) -> Path:
    found = _beside(file, [f"instances_vcoco_{subset}.json", INSTANCES, "instances_vcoco.json"])
    if found is None:
        root = file.parent.parent if file.parent.name == "vcoco" else file.parent
        raise MissingData(
            f"{file}: the COCO instances that its ids point into are not there ({root / INSTANCES}); "
            "V-COCO's script_pick_annotations.py makes them from COCO 2014"
        )
    return found


def _image_ids(file: Path, subset: str, blocks: list[Block], instances: coco.Instances) -> tuple[Array, Path | None]:
    """The images of a subset, ascending: those of its .ids file, else those of its rows."""
    ids_file = _beside(file, [f"vcoco_{subset}.ids"])
    if ids_file is None:
        ids = np.unique(blocks[0].image)
        known = positions(instances.image_ids, ids, f"{file}: image_id", "value", f"image of {instances.where}")
        return instances.image_ids[known], None
    ids = ids_of(ids_file)
    positions(instances.image_ids, ids, str(ids_file), "line", f"image of {instances.where}")
    return np.sort(ids), ids_file


def _label_space(blocks: list[Block], instances: coco.Instances, file: Path) -> LabelSpace:
    """V-COCO's when actions, roles and categories are its own, else one made of them, named after the folder."""
    official = load_labels("v-coco")
    roles = tuple(role for block in blocks for role in block.roles)
    objects = list(zip(instances.category_names, instances.category_ids.tolist(), strict=True))
    known = dict(zip(official.coco_ids.tolist(), official.objects, strict=True))
    if roles == official.roles and all(known.get(number) == name for name, number in objects):
        return official
    names = [role.action + (f"_{role.name}" if role.name else "") for role in roles]
    return build(
        name=file.resolve().parent.name,
        source=f"actions, roles and includes of {file.name}",
        objects=objects,
        verbs=[(name, name) for name in names],
        interactions=[(name, obj, -1) for name in names for obj, _ in [*objects, (NOTHING, -1)]],
        roles=roles,
    )


def _dataset(
    file: Path, blocks: list[Block], ids: Array, instances: coco.Instances, subset: str, sources: dict[str, str]
) -> tuple[Dataset, int]:
    """The columns of a subset, and how many annotated people are of images outside it."""
    labels = _label_space(blocks, instances, file)
    name = "v-coco" if labels.name == "v-coco" else labels.name
    meta = Meta(labels, name, subset, "verbs", box_frame="continuous", sources=sources)
    part = instances.images(ids, meta)
    _check_people(file, blocks[0], instances)
    row = part.rows_of_boxes(blocks[0].person)
    inside = row >= 0
    annotated = np.zeros(len(part.data.boxes), bool)
    annotated[row[inside]] = True
    pairs = _pairs(file, blocks, part)
    return part.data.with_columns(annotated=annotated, **pairs), int((~inside).sum())


def _check_people(file: Path, block: Block, instances: coco.Instances) -> None:
    """Raise DataError for a row whose person is not there, or of another image."""
    where = f"{file}: [0].ann_id"
    at = positions(instances.ids, block.person, where, "value", f"annotation of {instances.where}")
    wrong = instances.image_of[at] != block.image
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{file}: [0].image_id[{row}] is {block.image[row]}, but the person {block.person[row]} is of image "
            f"{instances.image_of[at[row]]} in {instances.where}"
        )


def _pairs(file: Path, blocks: list[Block], part: coco.Part) -> dict[str, Any]:
    """The pair columns and offsets, by image, then action, row, role."""
    subject, obj, label, order = [], [], [], []
    verb = 0
    for i, block in enumerate(blocks):
        positive = np.flatnonzero(block.label)
        for r in range(len(block.roles)):
            subject.append(block.person[positive])
            ids = block.objects[r][positive] if len(block.objects) else np.zeros(len(positive), np.int64)
            _check_objects(file, i, r, block, positive, ids, part.instances)
            obj.append(ids)
            label.append(np.full(len(positive), verb, np.int32))
            order.append((i * len(block.person) + positive) * 8 + r)
            verb += 1
    columns = [np.concatenate(column) for column in (subject, obj, label, order)]
    rows = part.rows_of_boxes(columns[0])
    kept = np.flatnonzero(rows >= 0)
    kept = kept[np.lexsort((columns[3][kept], part.image_of_box[rows[kept]]))]
    rows = rows[kept]
    image = part.image_of_box[rows]
    start = part.data.box_offsets[image]
    ids = columns[1][kept]
    target = np.where(ids == 0, -1, part.rows_of_boxes(ids) - start)
    return {
        "subject": (rows - start).astype(np.int32),
        "object": target.astype(np.int32),
        "label": columns[2][kept],
        "pair_offsets": offsets_of(np.bincount(image, minlength=len(part.data))),
    }


def _check_objects(
    file: Path, action: int, role: int, block: Block, rows: Array, ids: Array, instances: coco.Instances
) -> None:
    """Raise DataError where a role's object is not there, or of another image than its person."""
    held = ids != 0
    where = f"{file}: [{action}].role_object_id (role {block.roles[role].name!r} of {block.action!r})"
    at = positions(instances.ids, ids[held], where, "value", f"annotation of {instances.where}")
    wrong = instances.image_of[at] != block.image[rows[held]]
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{where}: annotation {ids[held][row]} is of image {instances.image_of[at[row]]}, its person is of image "
            f"{block.image[rows[held]][row]}"
        )


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write vcoco/vcoco_<subset>.json, splits/vcoco_<subset>.ids and the instances of all parts below `path`."""
    names = [part.meta.subset or "all" for part in parts]
    targets = [path / INSTANCES]
    for name in names:
        targets += [path / "vcoco" / f"vcoco_{name}.json", path / "splits" / f"vcoco_{name}.ids"]
    for target in targets:
        refuse_overwrite(target, overwrite)
    parts = require_held(parts, HOLDS, "the official V-COCO layout")
    contents = [json.dumps(coco.instances_of(parts))]
    for part in parts:
        contents += [json.dumps(_official(part)), "".join(f"{i}\n" for i in np.sort(image_ids(part)).tolist())]
    for target, text in zip(targets, contents, strict=True):
        with atomic(target) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return targets


def _official(data: Dataset) -> list[dict[str, Any]]:
    """The blocks of vcoco_<subset>.json, people by ascending id."""
    labels, ids = data.meta.labels, data.need("box_ids")
    rows = np.flatnonzero(data.need("annotated"))
    rows = rows[np.argsort(ids[rows], kind="stable")]
    place = np.full(len(ids), -1)
    place[rows] = np.arange(len(rows))
    images = image_ids(data)[data.image_of("box")[rows]].tolist()
    subject, obj = place[data.pair_boxes("subject")], data.pair_boxes("object")
    object_ids = np.where(obj < 0, 0, ids[obj] if len(ids) else 0)
    made = []
    for action in labels.actions:
        verbs = [v for v, role in enumerate(labels.roles) if role.action == action]
        positive = np.zeros(len(rows), np.int64)
        positive[subject[np.isin(data.need("label"), verbs)]] = 1
        roles = [labels.roles[v] for v in verbs if labels.roles[v].name]
        columns = [ids[rows]]
        for v in (v for v in verbs if labels.roles[v].name):
            column = np.zeros(len(rows), np.int64)
            mine = data.need("label") == v
            column[subject[mine]] = object_ids[mine]
            columns.append(column)
        made.append(
            {
                "role_object_id": np.concatenate(columns).tolist(),
                "ann_id": ids[rows].tolist(),
                "label": positive.tolist(),
                "action_name": action,
                "role_name": ["agent", *(role.name for role in roles)],
                "include": [[], *(list(role.include) for role in roles)],
                "image_id": images,
            }
        )
    return made


def _as_official(data: Dataset) -> tuple[Dataset, Lost]:
    """Data as the layout has them: one object for each role of a person, every role of an action that somebody does."""
    labels = data.meta.labels
    if not labels.roles:
        raise UsageError(f"V-COCO's layout is for actions and roles, which label space {labels.name!r} does not have")
    data, lost = coco.own_ids(data)
    is_role = np.zeros(len(labels.verbs), bool)
    is_role[labels.role_verbs] = True
    alone = ~is_role[data.need("label")] & (data.object >= 0)
    data = data.with_columns(object=np.where(alone, -1, data.object).astype(np.int32))
    key = data.pair_boxes("subject").astype(np.int64) * len(labels.verbs) + data.need("label")
    best = np.lexsort((np.arange(len(key)), data.object < 0, key))  # a pair with an object before one without
    first = np.ones(len(key), bool)
    first[best[1:]] = key[best[1:]] != key[best[:-1]]
    lost |= {
        "objects of actions that take none": int(alone.sum()),
        "pairs of a person's role beyond its first object": int((~first).sum()),
    }
    data = select_pairs(data, first)
    before = len(data.subject)
    data = _all_roles(data)
    lost["roles of an action that were not said to be empty, and become so"] = len(data.subject) - before
    annotated = data.need("annotated").copy()
    annotated[data.pair_boxes("subject")] = True
    return data.with_columns(annotated=annotated), lost


def _all_roles(data: Dataset) -> Dataset:
    """With a pair without an object for each role that is missing of an action that a person does."""
    labels = data.meta.labels
    verbs, actions = len(labels.verbs), labels.verb_actions
    subject = data.pair_boxes("subject").astype(np.int64)
    held = np.unique(subject * verbs + data.need("label"))
    doing = np.unique(subject * len(labels.actions) + actions[data.need("label")])
    counts = np.bincount(actions, minlength=len(labels.actions))
    starts = np.searchsorted(actions, np.arange(len(labels.actions)))
    person, action = np.divmod(doing, len(labels.actions))
    expected = np.repeat(person, counts[action]) * verbs + ranges(starts[action], counts[action])
    missing = np.setdiff1d(expected, held)
    box, verb = np.divmod(missing, verbs)
    image = data.image_of("box")[box]
    row = np.concatenate([data.image_of("pair"), image])
    order = np.argsort(row, kind="stable")
    columns: dict[str, Any] = {
        "subject": np.concatenate([data.subject, box - data.box_offsets[image]])[order].astype(np.int32),
        "object": np.concatenate([data.object, np.full(len(missing), -1)])[order].astype(np.int32),
        "label": np.concatenate([data.need("label"), verb])[order].astype(np.int32),
        "pair_offsets": offsets_of(np.bincount(row, minlength=len(data))),
    }
    return data.with_columns(**columns)


HOLDS = Holds(
    label_kinds=("verbs",),
    box_frame="continuous",
    extents=True,
    always=frozenset({"file_name", "width", "annotated", "crowd", "box_ids"}),
    objectless=True,
    lonely_boxes=True,
    also=_as_official,
)
