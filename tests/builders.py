"""Small data written by hand: truths and predictions from a few rows, and each protocol's kind of predictions."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from hoitool.convert import PREDICTION_FORMATS
from hoitool.data import Dataset, Meta, Predictions, no_pairs, offsets_of, select_boxes, select_pairs, strings
from hoitool.labels import LabelSpace, build, load_labels

Row = tuple[int, Sequence[float], Sequence[float], int]
Box = Sequence[float]
RELATIONS = build(
    "relations",
    "made up: no interactions, no person",
    objects=[("Table", -1), ("Cup", -1), ("Wooden", -1), ("Box", -1)],
    verbs=[("at", "at"), ("is", "is"), ("inside_of", "inside_of")],
    interactions=[],
)


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


def image_truth_of(table, labels: LabelSpace | None = None, subset: str = "test") -> Dataset:
    """Image-level labels from a matrix (images, classes) of 1, -1, 0 and None or NaN for no label."""
    table = np.array(table, float)
    image, label = np.nonzero(~np.isnan(table))
    return Dataset(
        meta=Meta(labels or load_labels("hico"), subset=subset),
        key=names(len(table)),
        image_label=label.astype(np.int32),
        image_value=table[image, label].astype(np.int8),
        image_label_offsets=offsets_of(np.bincount(image, minlength=len(table))),
        **no_pairs(len(table)),
    )


def image_predictions_of(scores, labels: LabelSpace | None = None, subset: str = "test") -> Predictions:
    """Predictions of whole images from a matrix (images, classes) of scores."""
    scores = np.asarray(scores)
    columns = no_pairs(len(scores)) | {"score": np.empty(0)}
    meta = Meta(labels or load_labels("hico"), subset=subset)
    return Predictions(meta=meta, key=names(len(scores)), image_scores=scores, **columns)


def as_image_predictions(truth: Dataset, noise: float = 0.0) -> Predictions:
    """The truth's image-level labels as scores of whole images, 1 and 0, with noise."""
    scores = np.random.default_rng(0).normal(0, noise, (len(truth), truth.meta.classes))
    present = truth.image_value == 1
    scores[truth.image_of("image_label")[present], truth.image_label[present]] += 1
    made = image_predictions_of(scores, truth.meta.labels, truth.meta.subset)
    return made.with_columns(key=truth.key)


def ranks_of(scores: np.ndarray) -> np.ndarray:
    """Other numbers in the same order."""
    return np.argsort(np.argsort(scores, axis=None, kind="stable"), kind="stable").reshape(scores.shape) * 0.5 - 100


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
            found = [*corners[obj].tolist(), score] if obj >= 0 else [0.0, 0.0, 0.0, 0.0, 0.9 * score]
            row[f"{role.action}_{role.name}"] = found
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
    """The truth itself as predictions, scores 1, of empty roles 0.9; a candidate for each object of a person."""
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
                scores[len(labels.actions) + np.searchsorted(labels.role_verbs, verb)] = 1 if obj >= 0 else 0.9
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


def v_coco_scenes(images: int = 40, seed: int = 0) -> Dataset:
    """Random V-COCO annotations: in each image two annotated people and one who is not, and three objects."""
    rng = np.random.default_rng(seed)
    labels = load_labels("v-coco")
    boxes, doing = [], []
    for image in range(images):
        first = len(boxes)
        for k in range(6):
            low, size = rng.uniform(0, 380, 2).round(2), rng.uniform(30, 100, 2).round(2)
            name = "person" if k < 3 else str(rng.choice(labels.objects[1:]))
            boxes.append((image, (*low, *size), name, "annotated" if k in (0, 2) else ""))
        for person in (first, first + 2):
            for action in rng.choice(labels.actions, 5, replace=False).tolist():
                roles = sum(role.action == action and bool(role.name) for role in labels.roles)
                doing.append(
                    (person, action, [int(first + 3 + k) if rng.random() < 0.7 else None for k in range(roles)])
                )
    return v_coco_truth(boxes, doing, images)


def v_coco_detector(truth: Dataset, seed: int = 0) -> Predictions:
    """An imperfect detector: moved boxes, scores of what is not there, two images without detections."""
    rng = np.random.default_rng(seed)
    perfect = v_coco_predictions(truth)
    scores = np.where(np.isnan(perfect.scores), rng.uniform(0, 0.6, perfect.scores.shape), perfect.scores)
    scores = np.where(rng.random(scores.shape) < 0.9, np.nan, scores)
    held = ~np.isnan(perfect.scores)
    scores[held] = rng.uniform(0.3, 1, int(held.sum()))
    again = perfect.subject[1:] == perfect.subject[:-1]  # one score of a subject for a thing, in its first pair
    scores[1:][again] = np.where(held[1:][again], scores[1:][again], np.nan)
    for start in np.flatnonzero(~np.concatenate([[False], again])).tolist():
        stop = start + 1
        while stop < len(scores) and again[stop - 1]:
            stop += 1
        twice = np.cumsum(~np.isnan(scores[start:stop]), axis=0) > 1
        scores[start:stop][twice & ~held[start:stop]] = np.nan
        late = held[start + 1 : stop].any(axis=0)
        scores[start][late & ~held[start]] = np.nan
    boxes = perfect.boxes + rng.normal(0, 4, perfect.boxes.shape)
    silent = np.isin(perfect.image_of("pair"), [0, 7])
    return select_pairs(perfect.with_columns(scores=scores, boxes=boxes), ~silent)


def v_coco_rescored(scores: np.ndarray) -> np.ndarray:
    """Other scores in the same order, all above zero."""
    held = ~np.isnan(scores)
    made = scores.copy()
    made[held] = (np.argsort(np.argsort(scores[held], kind="stable"), kind="stable") + 1) * 0.5
    return made


def relations_of(rows: Sequence[tuple[int, Box, str, str, str, Box]], images: int = 1, **meta: Any) -> Dataset:
    """True relations, each with boxes of its own, from (image, box, class, predicate, class, box), images in order."""
    labels = RELATIONS
    boxes = np.array([box for row in rows for box in (row[1], row[5])], float).reshape(-1, 4)
    classes = [labels.object_index(name) for row in rows for name in (row[2], row[4])]
    counts = np.bincount([row[0] for row in rows], minlength=images).astype(np.int64)
    place = np.arange(len(rows)) - np.repeat(offsets_of(counts)[:-1], counts)
    return Dataset(
        meta=Meta(labels, subset="test", label_kind="predicates", **meta),
        key=names(images),
        boxes=boxes,
        categories=np.array(classes, np.int32),
        subject=(2 * place).astype(np.int32),
        object=(2 * place + 1).astype(np.int32),
        label=np.array([labels.verb_index(row[3]) for row in rows], np.int32),
        box_offsets=offsets_of(2 * counts),
        pair_offsets=offsets_of(counts),
    )


def relation_predictions(truth: Dataset, scores: np.ndarray | None = None, **columns: Any) -> Predictions:
    """Predictions of the boxes of a truth, dense: scores (P, L), or 1 for its predicate and no others."""
    if scores is None:
        scores = np.full((len(truth.subject), truth.meta.classes), np.nan)
        scores[np.arange(len(scores)), truth.need("label")] = 1
    held: dict[str, Any] = truth.columns() | {"label": None, "image_label": None, "image_value": None}
    offsets = {"box_offsets": truth.box_offsets, "pair_offsets": truth.pair_offsets}
    return Predictions(meta=truth.meta, **held | {"scores": scores} | offsets | columns)


def relation_scenes(images: int = 30, seed: int = 0) -> Dataset:
    """Random true relations, none twice and none in every tenth image, every predicate somewhere."""
    rng, rows = np.random.default_rng(seed), []
    for image in range(images):
        for k in range(0 if image % 10 == 9 else int(rng.integers(1, 5))):
            x, y = 200 * k, int(rng.integers(0, 200))
            near = (x + 30, y + 40, x + 139, y + 159)
            first, second = rng.choice(RELATIONS.objects, 2)
            predicate = str(rng.choice(RELATIONS.verbs))
            rows.append((image, (x, y, x + 99, y + 119), str(first), predicate, str(second), near))
    return relations_of(rows, images)


def relation_detector(truth: Dataset, seed: int = 1) -> Predictions:
    """Predictions near the truth: boxes moved, some classes and predicates wrong, no equal scores."""
    rng = np.random.default_rng(seed)
    boxes = truth.boxes + rng.normal(0, 8, truth.boxes.shape)
    wrong = rng.random(len(boxes)) < 0.15
    classes = np.where(wrong, rng.integers(0, len(truth.meta.labels.objects), len(boxes)), truth.categories)
    scores = rng.uniform(0.01, 0.6, (len(truth.subject), truth.meta.classes))
    scores[np.arange(len(scores)), truth.need("label")] += rng.uniform(0, 0.8, len(scores))
    return relation_predictions(truth, scores, boxes=boxes, categories=classes.astype(np.int32))


# COCO's base objects, its novel ones, and two that are neither
OBJECTS = (("person", 1), ("chair", 62), ("horse", 19), ("dog", 18), ("umbrella", 28), ("cup", 47), ("wine glass", 46))
DETECTED = build("boxes", "tests", [*OBJECTS, ("hot dog", 58)], [], [])
FREQUENCY = "fccrrrcf"


def box_scenes(images: int = 40, seed: int = 0, **columns: Any) -> Dataset:
    """Random true boxes of all classes, none in every tenth image."""
    rng = np.random.default_rng(seed)
    counts = np.where(np.arange(images) % 10 == 9, 0, rng.integers(1, 6, images))
    total = int(counts.sum())
    low, size = rng.uniform(0, 400, (total, 2)).round(2), rng.uniform(30, 120, (total, 2)).round(2)
    made: dict[str, Any] = no_pairs(images) | {
        "boxes": np.concatenate([low, low + size], axis=1),
        "categories": rng.permutation(np.arange(total) % len(DETECTED.objects)).astype(np.int32),
        "box_ids": np.arange(1, total + 1),
        "box_offsets": offsets_of(counts),
    }
    meta = Meta(DETECTED, subset="test", label_kind="objects", box_frame="continuous")
    return Dataset(meta=meta, **{"key": names(images)} | made | columns)


def lvis_scenes(truth: Dataset, seed: int = 0) -> Dataset:
    """Boxes with frequencies, and two more classes of each image that are absent or not exhaustively annotated."""
    rng = np.random.default_rng(seed)
    label = np.concatenate([rng.permutation(len(FREQUENCY))[:2] for _ in range(len(truth))])
    held = set(zip(truth.image_of("box").tolist(), truth.categories.tolist(), strict=True))
    image = np.repeat(np.arange(len(truth)), 2)
    there = np.array([pair in held for pair in zip(image.tolist(), label.tolist(), strict=True)])
    meta = replace(truth.meta, extras=truth.meta.extras | {"lvis": {"frequency": FREQUENCY}})
    return truth.with_columns(
        meta,
        image_label=label.astype(np.int32),
        image_value=np.where(there, 0, -1).astype(np.int8),
        image_label_offsets=2 * np.arange(len(truth) + 1),
    )


def box_predictions(truth: Dataset, **columns: Any) -> Predictions:
    """The true boxes as detections, with score 1 unless scores are given."""
    held = {name: getattr(truth, name) for name in ("key", "boxes", "categories", "box_offsets")}
    made: dict[str, Any] = no_pairs(len(truth)) | held | {"score": np.empty(0)}
    meta = replace(truth.meta, extras={})
    return Predictions(meta=meta, **made | {"box_scores": np.ones(len(held["boxes"]))} | columns)


def box_detector(truth: Dataset, seed: int = 1) -> Predictions:
    """Detections near the truth, two of each box: some moved far, some of another class, no equal scores."""
    rng = np.random.default_rng(seed)
    twice = np.repeat(np.arange(len(truth.boxes)), 2)
    boxes = truth.boxes[twice] + rng.normal(0, 4, (len(twice), 4))
    wrong = rng.random(len(twice)) < 0.15
    classes = np.where(wrong, rng.integers(0, len(DETECTED.objects), len(twice)), truth.categories[twice])
    scores = np.where(wrong, 0, 0.4) + rng.uniform(0, 0.6, len(twice))
    offsets = {"box_offsets": 2 * truth.box_offsets}
    return box_predictions(truth, boxes=boxes, categories=classes.astype(np.int32), box_scores=scores, **offsets)


@dataclass(frozen=True)
class Kit:
    """What the contract of protocols needs of one of them, made of synthetic scenes.

    truth       the scenes, or a truth of the protocol's own kind
    perfect     the truth itself as predictions
    imperfect   predictions of the truth that are right now and then; a detector's pairs are given too
    rescored    the same predictions with other scores in the same order
    every_image whether predictions must name every image
    group       what predictions are rows of: pairs, or boxes alone
    variant     the truth as a variant needs it
    """

    perfect: Callable[[Dataset], Predictions]
    imperfect: Callable[[Dataset, Predictions], Predictions]
    rescored: Callable[[Predictions], Predictions]
    every_image: bool = False
    truth: Callable[[Dataset], Dataset] = lambda scenes: scenes
    group: str = "pair"
    variant: Callable[[Dataset, str], Dataset] = lambda truth, variant: truth

    def nothing(self, perfect: Predictions) -> Predictions:
        """Predictions without any row."""
        without = select_pairs if self.group == "pair" else select_boxes
        return without(perfect, np.zeros(perfect.counts(self.group).sum(), bool))


KITS = {
    "hico-det": Kit(
        perfect=as_predictions,
        imperfect=lambda truth, detected: detected,
        rescored=lambda found: found.with_columns(score=ranks_of(found.score)),
    ),
    "hico": Kit(
        perfect=as_image_predictions,
        imperfect=lambda truth, detected: as_image_predictions(truth, noise=0.5),
        rescored=lambda found: found.with_columns(image_scores=ranks_of(found.image_scores)),
        every_image=True,
    ),
    "v-coco": Kit(
        perfect=v_coco_predictions,
        imperfect=lambda truth, detected: v_coco_detector(truth),
        rescored=lambda found: found.with_columns(scores=v_coco_rescored(found.scores)),
        truth=lambda scenes: v_coco_scenes(),
    ),
    "open-images-vrd": Kit(
        perfect=relation_predictions,
        imperfect=lambda truth, detected: relation_detector(truth),
        rescored=lambda found: found.with_columns(scores=ranks_of(found.scores) + 101),
        truth=lambda scenes: relation_scenes(),
    ),
    "sgg": Kit(
        perfect=relation_predictions,
        imperfect=lambda truth, detected: relation_detector(truth),
        rescored=lambda found: found.with_columns(scores=ranks_of(found.scores)),
        truth=lambda scenes: relation_scenes(),
    ),
    "open-vocab": Kit(
        perfect=box_predictions,
        imperfect=lambda truth, detected: box_detector(truth),
        rescored=lambda found: found.with_columns(box_scores=ranks_of(found.box_scores)),
        truth=lambda scenes: box_scenes(),
        group="box",
        variant=lambda truth, variant: lvis_scenes(truth) if variant == "lvis" else truth,
    ),
}
