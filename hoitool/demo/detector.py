"""An imperfect detector: the truth with known kinds of errors, so that scores and diagnoses can be understood."""

from __future__ import annotations

import numpy as np

from hoitool.data import Dataset, Predictions
from hoitool.data.dataset import Array

KINDS = ("correct", "duplicate", "human box", "object box", "object class", "verb only", "background")
ERRORS = {"duplicate": 0.10, "human box": 0.12, "object box": 0.12, "object class": 0.10, "verb only": 0.25}
FOUND, FOUND_RARE = 0.9, 0.6  # share of the true pairs that the detector finds
BACKGROUND = 0.3  # false pairs in the background, per image


def imperfect(truth: Dataset, seed: int = 0) -> tuple[Predictions, Array]:
    """Predictions for a dataset with single objects of each pair, and the kind (an index into KINDS) of each row."""
    rng = np.random.default_rng(seed + 1)
    labels = truth.meta.labels
    human, obj = truth.boxes[truth.pair_boxes("subject")], truth.boxes[truth.pair_boxes("object")]
    image, label = truth.image_of("pair"), truth.need("label")
    rows: list[tuple[int, Array, Array, int, float, int]] = []
    for i in range(len(label)):
        found = rng.random() < (FOUND_RARE if labels.rare[label[i]] else FOUND)
        if found:
            boxes = _jitter(human[i], 0.05, rng), _jitter(obj[i], 0.05, rng)
            rows.append((image[i], *boxes, label[i], rng.beta(5, 2), KINDS.index("correct")))
        for kind, share in ERRORS.items():
            if rng.random() < share:
                rows.append((image[i], *_wrong(kind, human[i], obj[i], int(label[i]), truth, rng), KINDS.index(kind)))
    for empty in np.flatnonzero(rng.random(len(truth)) < BACKGROUND).tolist():
        boxes = _anywhere(truth, empty, rng), _anywhere(truth, empty, rng)
        rows.append((empty, *boxes, int(rng.integers(len(labels))), rng.beta(2, 6), KINDS.index("background")))
    images, humans, objects, wrong, scores, kinds = (np.array(column) for column in zip(*rows, strict=True))
    order = np.argsort(images, kind="stable")
    predictions = Predictions.from_pairs(
        images,
        humans,
        objects,
        wrong,
        scores,
        images=truth.key,
        labels=labels,
        dataset="demo",
        subset=truth.meta.subset,
    )
    return predictions, kinds[order]


def _wrong(
    kind: str, human: Array, obj: Array, label: int, truth: Dataset, rng: np.random.Generator
) -> tuple[Array, Array, int, float]:
    """A row with one error of a kind."""
    labels = truth.meta.labels
    near = _jitter(human, 0.05, rng), _jitter(obj, 0.05, rng)
    if kind == "duplicate":
        return *near, label, rng.beta(4, 3)
    if kind == "human box":
        return _jitter(human, 0.6, rng), near[1], label, rng.beta(3, 4)
    if kind == "object box":
        return near[0], _jitter(obj, 0.6, rng), label, rng.beta(3, 4)
    same_object = labels.interaction_objects == labels.interaction_objects[label]
    others = np.flatnonzero(same_object if kind == "verb only" else ~same_object)
    return *near, int(rng.choice(others[others != label])), rng.beta(3, 5)


def _jitter(box: Array, amount: float, rng: np.random.Generator) -> Array:
    """A box moved by a share of its size, the same way at both corners when the share is large."""
    size = np.array([box[2] - box[0], box[3] - box[1]] * 2)
    shift: Array = np.tile(rng.choice([-1, 1], 2) * amount, 2) if amount > 0.3 else rng.normal(0, amount, 4)
    moved: Array = box + shift * size
    return moved


def _anywhere(truth: Dataset, image: int, rng: np.random.Generator) -> Array:
    size = np.array([truth.need("width")[image], truth.need("height")[image]])
    corner = rng.uniform(0, size * 0.7)
    return np.concatenate([corner, corner + rng.uniform(10, size * 0.3 + 10)])
