"""Small data written by hand: truths and predictions from a few rows, and each protocol's kind of them."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from hoitool.convert import PREDICTION_FORMATS
from hoitool.data import Dataset, Meta, Predictions, offsets_of, strings
from hoitool.labels import LabelSpace, load_labels

Row = tuple[int, Sequence[float], Sequence[float], int]


def truth_of(
    rows: Sequence[Row],
    images: int = 3,
    labels: LabelSpace | None = None,
    image_labels: Sequence[tuple[int, int]] | None = None,
    subset: str = "test",
) -> Dataset:
    """A dataset of (image, human, object, label) rows, images in order; image labels as (image, label), present."""
    space = labels or load_labels("hico")
    columns = [np.array(column) for column in zip(*rows, strict=True)] if rows else []
    image, human, obj, label = columns or (np.empty(0, int), np.empty((0, 4)), np.empty((0, 4)), np.empty(0, int))
    made = Predictions.from_pairs(
        image, human, obj, label, np.zeros(len(image)), images=names(images), labels=space, subset=subset
    )
    held = sorted(image_labels) if image_labels is not None else []
    extra = {}
    if image_labels is not None:
        extra = {
            "image_label": np.array([row[1] for row in held], np.int32),
            "image_value": np.ones(len(held), np.int8),
            "image_label_offsets": offsets_of(np.bincount([row[0] for row in held], minlength=images)),
        }
    columns_of = ("key", "boxes", "categories", "subject", "object", "label", "box_offsets", "pair_offsets")
    return Dataset(meta=Meta(space, subset=subset), **{name: getattr(made, name) for name in columns_of}, **extra)


def predictions_of(
    rows: Sequence[tuple[int, Sequence[float], Sequence[float], int, float]],
    images: int = 3,
    labels: LabelSpace | None = None,
    subset: str = "test",
) -> Predictions:
    """Predictions of (image, human, object, label, score) rows."""
    columns = [np.array(column) for column in zip(*rows, strict=True)] if rows else []
    empty = (np.empty(0, int), np.empty((0, 4)), np.empty((0, 4)), np.empty(0, int), np.empty(0))
    return Predictions.from_pairs(*(columns or empty), images=names(images), labels=labels or "hico", subset=subset)


def as_predictions(truth: Dataset) -> Predictions:
    """The truth itself as predictions, all scores 1."""
    return Predictions.from_pairs(
        truth.image_of("pair"),
        truth.boxes[truth.pair_boxes("subject")],
        truth.boxes[truth.pair_boxes("object")],
        truth.need("label"),
        np.ones(len(truth.subject)),
        images=truth.key,
        labels=truth.meta.labels,
        subset=truth.meta.subset,
    )


def names(images: int) -> np.ndarray:
    """image-0.jpg, image-1.jpg, ..."""
    return strings([f"image-{i}.jpg" for i in range(images)])


# a small V-COCO: (image, x y w h, class, what it is), and (box, action, object of each role or None)
BOXES = (
    (0, (10.5, 20.25, 100.1, 200.37), "person", "annotated"),
    (0, (60.0, 80.0, 40.3, 40.7), "cup", ""),
    (0, (300.0, 10.0, 80.0, 160.0), "person", ""),
    (0, (400.0, 10.0, 200.0, 90.0), "person", "crowd"),
    (1, (5.0, 5.0, 120.0, 240.0), "person", "annotated"),
    (1, (200.0, 5.0, 110.0, 230.0), "person", "annotated"),
    (1, (100.0, 100.0, 30.0, 10.0), "knife", ""),
    (1, (110.0, 110.0, 50.0, 50.0), "pizza", ""),
    (2, (0.0, 0.0, 640.0, 480.0), "dog", ""),
)
DOING = (
    (0, "hold", (1,)),
    (0, "stand", ()),
    (0, "look", (None,)),
    (4, "cut", (6, 7)),
    (4, "eat", (7, None)),
    (5, "point", (7,)),
    (5, "stand", ()),
)


def v_coco_truth(
    boxes: Sequence[tuple[int, Sequence[float], str, str]] = BOXES,
    doing: Sequence[tuple[int, str, Sequence[int | None]]] = DOING,
    images: int = 3,
    labels: LabelSpace | None = None,
    subset: str = "test",
    size: tuple[int, int] = (640, 480),
) -> Dataset:
    """V-COCO annotations of (image, x y w h, class, 'annotated' | 'crowd' | '') boxes and (box, action, objects) rows.

    Images are 1.jpg, 2.jpg, ...; boxes have the ids 1, 2, ...; the objects of a row stand role by role.
    """
    space = labels or load_labels("v-coco")
    image = np.array([row[0] for row in boxes], np.int64)
    corners = np.array([(x, y, x + w, y + h) for _, (x, y, w, h), _, _ in boxes], float).reshape(-1, 4)
    offsets = offsets_of(np.bincount(image, minlength=images))
    pairs = []
    for box, action, objects in doing:
        verbs = [v for v, role in enumerate(space.roles) if role.action == action]
        for verb, obj in zip(verbs, objects or (None,), strict=True):
            start = offsets[image[box]]
            pairs.append((image[box], verb, box, box - start, -1 if obj is None else obj - start))
    pairs.sort(key=lambda row: row[:3])
    columns = np.array(pairs, np.int64).reshape(-1, 5)
    return Dataset(
        meta=Meta(space, "v-coco", subset, "verbs", box_frame="continuous"),
        key=strings([f"{i + 1}.jpg" for i in range(images)]),
        file_name=strings([f"{i + 1}.jpg" for i in range(images)]),
        width=np.full(images, size[0], np.int32),
        height=np.full(images, size[1], np.int32),
        boxes=corners,
        categories=np.array([space.object_index(row[2]) for row in boxes], np.int32),
        annotated=np.array([row[3] == "annotated" for row in boxes], bool),
        crowd=np.array([row[3] == "crowd" for row in boxes], bool),
        box_ids=np.arange(1, len(boxes) + 1, dtype=np.int64),
        subject=columns[:, 3].astype(np.int32),
        object=columns[:, 4].astype(np.int32),
        label=columns[:, 1].astype(np.int32),
        box_offsets=offsets,
        pair_offsets=offsets_of(np.bincount(columns[:, 0], minlength=images)),
    )


def v_coco_dicts(truth: Dataset, score: float = 1.0) -> list[dict[str, Any]]:
    """The truth as official detections: a dict for each person who does something, x2 = x + w - 1."""
    labels = truth.meta.labels
    corners = truth.boxes - [0, 0, 1, 1]
    rows: dict[int, dict[str, Any]] = {}
    for pair in range(len(truth.subject)):
        person, obj = int(truth.pair_boxes("subject")[pair]), int(truth.pair_boxes("object")[pair])
        image = int(truth.image_of("box")[person])
        row = rows.setdefault(person, {"image_id": image + 1, "person_box": corners[person].tolist()})
        role = labels.roles[truth.label[pair]]
        row[f"{role.action}_agent"] = score
        if role.name:
            row[f"{role.action}_{role.name}"] = [*(corners[obj].tolist() if obj >= 0 else [0.0] * 4), score]
    return list(rows.values())


def v_coco_read(rows: list[dict[str, Any]], truth: Dataset) -> Predictions:
    """Official detections as the reader of their pickle gives them."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "detections.pkl"
        path.write_bytes(pickle.dumps(rows))
        (made,) = PREDICTION_FORMATS["v-coco-pickle"].read(path, truth).parts
    assert isinstance(made, Predictions)
    return made


def v_coco_predictions(truth: Dataset) -> Predictions:
    """The truth itself as predictions of agents and roles, all scores 1; a candidate for each object of a person."""
    labels = truth.meta.labels
    names = labels.agents_and_roles
    image = truth.image_of("box")
    boxes: list[Any] = []
    pairs: list[tuple[int, int, int, np.ndarray]] = []
    for person in dict.fromkeys(truth.pair_boxes("subject").tolist()):
        mine = np.flatnonzero(truth.pair_boxes("subject") == person)
        subject = len(boxes)
        boxes.append((image[person], *truth.boxes[person], truth.categories[person]))
        agents = np.full(len(names), np.nan)
        agents[np.unique(labels.verb_actions[truth.label[mine]])] = 1
        candidates: dict[int, np.ndarray] = {}
        for pair in mine.tolist():
            obj, verb = int(truth.pair_boxes("object")[pair]), int(truth.label[pair])
            scores = candidates.setdefault(obj, np.full(len(names), np.nan) if candidates else agents)
            if verb in labels.role_verbs:
                scores[len(labels.actions) + np.searchsorted(labels.role_verbs, verb)] = 1
        for obj, scores in candidates.items():
            pairs.append((image[person], subject, -1 if obj < 0 else len(boxes), scores))
            if obj >= 0:
                boxes.append((image[person], *truth.boxes[obj], truth.categories[obj]))
    table = np.array(boxes, float).reshape(-1, 6)
    order = np.argsort(table[:, 0], kind="stable")
    place = np.argsort(order, kind="stable")
    box_offsets = offsets_of(np.bincount(table[:, 0].astype(int), minlength=len(truth)))
    pairs.sort(key=lambda row: row[0])
    where = np.array([row[:3] for row in pairs], np.int64).reshape(-1, 3)
    start = box_offsets[where[:, 0]]
    sides = [np.where(side < 0, -1, place[side] - start).astype(np.int32) for side in where[:, 1:].T]
    return Predictions(
        meta=Meta(labels, "v-coco", truth.meta.subset, "agents+roles", box_frame="continuous"),
        key=truth.key,
        width=truth.width,
        height=truth.height,
        boxes=table[order, 1:5],
        categories=table[order, 5].astype(np.int32),
        subject=sides[0],
        object=sides[1],
        scores=np.array([row[3] for row in pairs]).reshape(-1, len(names)),
        box_offsets=box_offsets,
        pair_offsets=offsets_of(np.bincount(where[:, 0], minlength=len(truth))),
    )


def v_coco_scenes() -> Dataset:
    """V-COCO annotations in which every verb is done, all roles with an object; nobody is in the last image."""
    labels = load_labels("v-coco")
    boxes: list[tuple[int, Sequence[float], str, str]] = []
    doing: list[tuple[int, str, Sequence[int | None]]] = []
    for image in range(2 * len(labels.actions)):
        first = len(boxes)
        boxes += [(image, (10 + 200 * k, 10.5, 80.25, 160), "person", "annotated") for k in (0, 1)]
        boxes.append((image, (410, 10, 80, 160), "person", ""))
        for k, number in enumerate((image, 5 * image + 3)):
            action = labels.actions[number % len(labels.actions)]
            objects: list[int] = []
            for r, role in enumerate(role for role in labels.roles if role.action == action and role.name):
                objects.append(len(boxes))
                boxes.append((image, (20 + 200 * k + 90 * r, 200, 60, 70), (role.include or ("cup",))[0], ""))
            doing.append((first + k, action, objects))
    boxes.append((2 * len(labels.actions), (10, 10, 50, 50), "dog", ""))
    return v_coco_truth(boxes, doing, images=2 * len(labels.actions) + 1)


def v_coco_imperfect(truth: Dataset) -> Predictions:
    """Predictions that are right now and then, each with a score of its own; and wrong ones for all classes."""
    rng = np.random.default_rng(0)
    found = v_coco_predictions(truth)
    alone = np.bincount(found.pair_boxes("subject"))[found.pair_boxes("subject")] == 1  # no score stands twice then
    wrong = (rng.random(found.scores.shape) < 0.05) & alone[:, None]
    score = np.where(wrong, 0.4 * rng.random(found.scores.shape), 0.2 + 0.8 * rng.random(found.scores.shape))
    moved = rng.choice([0, 1], (len(found.boxes), 1), p=[0.85, 0.15]) * [40, 0, 40, 0]
    return found.with_columns(
        scores=np.where(np.isnan(found.scores) & ~wrong, np.nan, score), boxes=found.boxes + moved
    )


def ranks_of(scores: np.ndarray, least: float = -100) -> np.ndarray:
    """Other numbers in the same order, from `least`; NaN stays."""
    ranks = np.argsort(np.argsort(scores, axis=None, kind="stable"), kind="stable").reshape(scores.shape)
    return np.where(np.isnan(scores), np.nan, ranks * 0.5 + least)


@dataclass(frozen=True)
class Kit:
    """What the contract of protocols needs of one of them, made of synthetic scenes.

    truth      annotations that it scores; those of the scenes are given
    perfect    the truth itself as predictions
    imperfect  predictions of the truth that are right now and then; a detector's pairs for the scenes are given too
    rescored   the same predictions with other scores in the same order
    """

    truth: Callable[[Dataset], Dataset]
    perfect: Callable[[Dataset], Predictions]
    imperfect: Callable[[Dataset, Predictions], Predictions]
    rescored: Callable[[Predictions], Predictions]


KITS = {
    "hico-det": Kit(
        truth=lambda scenes: scenes,
        perfect=as_predictions,
        imperfect=lambda truth, detected: detected,
        rescored=lambda found: found.with_columns(score=ranks_of(found.score)),
    ),
    "v-coco": Kit(
        truth=lambda scenes: v_coco_scenes(),
        perfect=v_coco_predictions,
        imperfect=lambda truth, detected: v_coco_imperfect(truth),
        rescored=lambda found: found.with_columns(scores=ranks_of(found.scores, least=1)),  # qpic's 0 stays the least
    ),
}
