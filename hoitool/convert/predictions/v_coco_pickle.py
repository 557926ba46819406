"""The official V-COCO detections: a pickled list of dicts, one per detected person.

A dict has image_id (COCO's), person_box, <action>_agent (a score) and <action>_<role> (x1 y1 x2 y2 score). A key that
is missing is not predicted, and so is a score of NaN; four zeros or four NaN are an empty role.
Each dict becomes a subject box of its own, with a candidate (pair) for each distinct object box of its roles; the
first candidate carries the agents' scores. Numbers are kept as they are: the official code reads the boxes as
pixel indices with both corners inside (the inclusive frame).
Source: vsrl_eval.py of github.com/s-gupta/v-coco; hoitool/convert/pages/v-coco-pickle.md.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert.fields import brief
from hoitool.convert.fit import Holds, Lost, require_held
from hoitool.convert.predictions.v_coco_dicts import Detections
from hoitool.convert.reading import Reading
from hoitool.convert.unpickle import PICKLED, load_pickle
from hoitool.data import Dataset, Meta, Predictions, offsets_of, ranges
from hoitool.data.image_ids import image_ids
from hoitool.errors import DataError, MissingData
from hoitool.files import atomic, refuse_overwrite, sha256, starts_with

Array = NDArray[Any]
SUMMARY = "the official V-COCO detections, a pickled list of dicts"
SUFFIXES = (".pkl", ".pickle")
NOWHERE = (-1.0, -1.0, -2.0, -2.0)  # a box that overlaps nothing, in place of one with NaN in it
MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5], np.uint64)


def sniff(path: Path) -> bool:
    """Whether a path is a pickle by its suffix and first byte."""
    return path.suffix.lower() in SUFFIXES and any(starts_with(path, magic) for magic in PICKLED)


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """Predictions in the truth's order. Raises MissingData without a truth, DataError naming detection and key."""
    if truth is None:
        raise MissingData(f"{path}: its detections name images by COCO's ids; give the annotations (--truth)")
    labels = truth.meta.labels
    if not labels.roles:
        raise DataError(f"{path}: V-COCO detections, but label space {labels.name!r} of the truth has no roles")
    held = load_pickle(path, "official V-COCO detections")
    if not isinstance(held, list) or not all(isinstance(row, dict) for row in held):
        wrong = "" if not isinstance(held, list) else next(f" with {brief(r)}" for r in held if not isinstance(r, dict))
        raise DataError(f"{path}: holds a {type(held).__name__}{wrong}, expected a list of dicts")
    table = Detections(path, held, labels)
    images = table.images(image_ids(truth))
    person = table.boxes("person_box")
    names, actions = labels.agents_and_roles, len(labels.actions)
    agents = table.numbers(names[:actions], 1)[..., 0]
    roles = table.numbers(names[actions:], 5)
    del held
    inside = np.flatnonzero(images >= 0)
    if len(images) and not len(inside):
        of = f" (subset {truth.meta.subset!r})" if truth.meta.subset else ""
        raise DataError(
            f"{path}: all {len(images)} detections are in images that the truth{of} does not have; give the truth of "
            "their subset"
        )
    order = inside[np.argsort(images[inside], kind="stable")]
    made = _predictions(truth, images[order], person[order], agents[order], roles[order], {path.name: sha256(path)})
    dropped = {"detections in images that the truth does not have": len(images) - len(inside)}
    return Reading([made], {k: v for k, v in dropped.items() if v}, table.notes(person[order], roles[order]))


def _predictions(
    truth: Dataset, image: Array, person: Array, agents: Array, roles: Array, sources: dict[str, str]
) -> Predictions:
    """Candidates from detections that are ordered by image. roles (N, R, 5): box and score."""
    labels, rows = truth.meta.labels, len(image)
    present, box = _entries(roles)
    first, candidate = _distinct(present, box)
    owner, role = np.nonzero(first)
    objects = box[owner, role]
    scores = np.full((len(owner), len(labels.agents_and_roles)), np.nan)
    detection, role = np.nonzero(present)
    scores[candidate[detection, role], len(labels.actions) + role] = roles[detection, role, 4]
    scores[np.searchsorted(owner, np.arange(rows)), : len(labels.actions)] = agents
    has_object = ~np.isnan(objects[:, 0])
    boxes, subject, obj, counts = _laid_out(person, objects, owner, has_object)
    per_image = {"box": np.bincount(image, counts, len(truth)).astype(np.int64)}
    per_image["pair"] = np.bincount(image[owner], minlength=len(truth))
    offsets = {group: offsets_of(count) for group, count in per_image.items()}
    shift = offsets["box"][image[owner]]
    categories = np.full(len(boxes), -1, np.int32)
    categories[subject] = labels.person
    meta = Meta(labels, truth.meta.dataset, truth.meta.subset, "agents+roles", sources=sources)
    return Predictions(
        meta=meta,
        key=truth.key,
        width=truth.width,
        height=truth.height,
        boxes=boxes,
        categories=categories,
        subject=(subject - shift).astype(np.int32),
        object=np.where(has_object, obj - shift, -1).astype(np.int32),
        scores=scores,
        box_offsets=offsets["box"],
        pair_offsets=offsets["pair"],
    )


def _entries(roles: Array) -> tuple[Array, Array]:
    """(N, R) which roles are predicted, and (N, R, 4) their boxes, NaN for an empty role."""
    box = roles[..., :4].copy()
    finite = np.all(np.isfinite(box), axis=-1)
    empty = np.all(box == 0, axis=-1) | np.all(np.isnan(box), axis=-1)
    box[~finite] = NOWHERE
    present = ~np.isnan(roles[..., 4])
    box[empty | ~present] = np.nan
    return present, box


def _distinct(present: Array, box: Array) -> tuple[Array, Array]:
    """The candidates of detections, one for each distinct box, at the first role that has it; one where there is none.

    (N, R) whether a role is the first of its candidate, and (N, R) each predicted role's candidate, counted over all.
    """
    bits = box.view(np.uint64)
    with np.errstate(over="ignore"):
        mixed = (bits * MIX).sum(axis=-1, dtype=np.uint64)
    mixed ^= mixed >> np.uint64(29)
    mixed[~present] = np.iinfo(np.uint64).max
    order = np.argsort(mixed, axis=1, kind="stable")  # equal boxes side by side, the first role first
    ranked, shown = np.take_along_axis(mixed, order, 1), np.take_along_axis(present, order, 1)
    new = shown.copy()
    new[:, 1:] &= (ranked[:, 1:] != ranked[:, :-1]) | ~shown[:, :-1]
    row, at = np.nonzero(shown & ~new)  # equal in the mix: are the boxes?
    different = np.any(bits[row, order[row, at]] != bits[row, order[row, at - 1]], axis=1)
    new[row[different], at[different]] = True
    head = np.maximum.accumulate(np.where(new, np.arange(new.shape[1]), 0), axis=1)
    of_role = np.empty_like(order)
    np.put_along_axis(of_role, order, np.take_along_axis(order, head, 1), 1)
    first = np.zeros_like(present)
    np.put_along_axis(first, order, new, 1)
    first[~np.any(present, axis=1), 0] = True
    number = np.cumsum(first).reshape(first.shape) - 1
    return first, np.take_along_axis(number, of_role, 1)


def _laid_out(person: Array, objects: Array, owner: Array, has_object: Array) -> tuple[Array, Array, Array, Array]:
    """Boxes in the order person, its objects, next person; the flat rows of each pair's two; boxes per detection."""
    counts = 1 + np.bincount(owner, has_object, len(person)).astype(np.int64)
    start = offsets_of(counts)[:-1]
    boxes = np.empty((int(counts.sum()), 4))
    boxes[start] = np.where(np.all(np.isfinite(person), axis=1)[:, None], person, NOWHERE)
    obj = np.full(len(owner), -1)
    obj[has_object] = ranges(start + 1, counts - 1)
    boxes[obj[has_object]] = objects[has_object]
    return boxes, start[owner], obj, counts


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write the list of dicts, plain lists and floats, which every Python reads."""
    refuse_overwrite(path, overwrite)
    (data,) = require_held(parts, HOLDS, "the official V-COCO pickle")
    rows = _dicts(data)
    with atomic(path) as temporary, temporary.open("wb") as stream:
        pickle.dump(rows, stream, protocol=2)
    return [path]


def _dicts(data: Dataset) -> list[dict[str, Any]]:
    """One dict per subject, in the order of its first pair; only what is predicted has a key."""
    names, actions = data.meta.labels.agents_and_roles, len(data.meta.labels.actions)
    image, person, agents, roles, _ = _detections(data)
    rows = zip(image_ids(data)[image].tolist(), person.tolist(), agents.tolist(), roles.tolist(), strict=True)
    made = []
    for number, box, scores, objects in rows:
        held: dict[str, Any] = {"image_id": number, "person_box": box}
        held |= {name: score for name, score in zip(names[:actions], scores, strict=True) if score == score}
        held |= {name: row for name, row in zip(names[actions:], objects, strict=True) if row[4] == row[4]}
        made.append(held)
    return made


def _detections(data: Dataset) -> tuple[Array, Array, Array, Array, Lost]:
    """One row per subject, by its first pair: (N,) image, (N, 4) box, (N, A) scores of agents, (N, R, 5) roles."""
    labels, scores = data.meta.labels, data.need("scores").astype(np.float64)
    subject, obj = data.pair_boxes("subject"), data.pair_boxes("object")
    rows, first, inverse = np.unique(subject, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    who = rank[inverse]
    pair, label = np.nonzero(~np.isnan(scores))
    key = who[pair] * scores.shape[1] + label
    _, once = np.unique(key, return_index=True)
    more = len(key) - len(once)
    pair, label = pair[once], label[once]
    actions = len(labels.actions)
    agents = np.full((len(rows), actions), np.nan)
    roles = np.full((len(rows), len(labels.role_verbs), 5), np.nan)
    is_agent = label < actions
    agents[who[pair[is_agent]], label[is_agent]] = scores[pair[is_agent], label[is_agent]]
    pair, label = pair[~is_agent], label[~is_agent]
    boxes = np.concatenate([data.boxes.astype(np.float64), np.zeros((1, 4))])  # the last: an empty role
    held = np.concatenate([boxes[obj[pair]], scores[pair, label][:, None]], axis=1)
    roles[who[pair], label - actions] = held
    zeros = int(np.count_nonzero((obj[pair] >= 0) & (held[:, :4] == 0).all(axis=1)))
    lost = {
        "scores of a subject for what another pair of it scores too": more,
        "object boxes of four zeros, which stand for an empty role": zeros,
    }
    return data.image_of("pair")[first[order]], data.boxes[rows[order]].astype(np.float64), agents, roles, lost


def _as_official(data: Dataset) -> tuple[Dataset, Lost]:
    """Data as they come back: subjects with boxes of their own, a candidate for each distinct object box."""
    image, person, agents, roles, lost = _detections(data)
    made = _predictions(data, image, person, agents, roles, data.meta.sources)
    objects = data.pair_boxes("object")
    lost["classes of object boxes"] = int((data.categories[objects[objects >= 0]] >= 0).sum())
    used = np.unique(data.pair_boxes("subject"))
    lost["classes of people other than person"] = int((data.categories[used] != data.meta.labels.person).sum())
    columns = ("boxes", "categories", "subject", "object", "scores", "box_offsets", "pair_offsets")
    held: dict[str, Any] = {name: getattr(made, name) for name in columns}
    return data.with_columns(**held), lost


HOLDS = Holds(
    "predictions",
    label_kinds=("agents+roles",),
    box_frame="inclusive",
    optional=frozenset({"width"}),  # which the annotations bring that the file is read against
    dense=True,
    objectless=True,
    unknown_objects=True,
    one_subset=True,
    names_images=False,
    also=_as_official,
)
