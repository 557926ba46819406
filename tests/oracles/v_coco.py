"""The V-COCO protocol, slowly and literally: one detection after the other, as docs/protocols/v-coco.md has it."""

from __future__ import annotations

import numpy as np


def box_of(corners, width, height):
    """A continuous true box as the protocol sees it: float32 x1 y1 x2 y2, None where it is no box."""
    x1, y1, x2, y2 = corners
    w, h = round(x2 - x1, 6), round(y2 - y1, 6)
    found = [
        min(max(value, 0), size - 1)
        for value, size in ((x1, width), (y1, height), (x1 + max(0, w - 1), width), (y1 + max(0, h - 1), height))
    ]
    return np.array(found, np.float32) if found[2] > found[0] and found[3] > found[1] else None


def iou(a, b):
    """Intersection over union of inclusive boxes in float32."""
    a, b, one = np.float32(a), np.float32(b), np.float32(1)
    width = min(a[2], b[2]) - max(a[0], b[0]) + one
    height = min(a[3], b[3]) - max(a[1], b[1]) + one
    if width <= 0 or height <= 0:
        return np.float32(0)
    areas = [(box[2] - box[0] + one) * (box[3] - box[1] + one) for box in (a, b)]
    return width * height / (areas[0] + areas[1] - width * height)


def average_precision(truth, predictions, column, scenario):
    """AP of a column of agents and roles, counted detections and true positives. Boxes of predictions: inclusive."""
    labels = truth.meta.labels
    actions = len(labels.actions)
    verb = None if column < actions else int(labels.role_verbs[column - actions])
    action = column if verb is None else int(labels.verb_actions[verb])
    people, targets = _people(truth, action, verb)
    positives = sum(len(rows) for rows in targets)
    detections = []
    for image in range(len(truth)):
        start = int(predictions.box_offsets[image])
        for pair in range(predictions.pair_offsets[image], predictions.pair_offsets[image + 1]):
            score = np.float32(predictions.scores[pair, column])
            if not np.isnan(score):
                obj = int(predictions.object[pair])
                boxes = [predictions.boxes[start + at] for at in (int(predictions.subject[pair]), max(obj, 0))]
                detections.append((score, image, boxes[0], boxes[1] if obj >= 0 else None))
    detections.sort(key=lambda row: -row[0])
    taken, hits = set(), []
    for _, image, person, obj in detections:
        overlaps = [iou(box, person) for _, box, _ in people[image]]
        if not overlaps:
            hits.append(False)
            continue
        nearest = int(np.argmax(overlaps))
        row, _, annotated = people[image][nearest]
        if not annotated:
            continue
        fits = row in targets[image] and overlaps[nearest] >= 0.5
        if fits and verb is not None:
            wanted = targets[image][row]
            if wanted is None:
                fits = obj is None or scenario == 2
            else:
                fits = obj is not None and iou(wanted, obj) >= 0.5
        hits.append(bool(fits) and (image, row) not in taken)
        if fits:
            taken.add((image, row))
    found, precisions = 0, []
    for rank, hit in enumerate(hits, start=1):
        found += hit
        precisions.append((hit, found / rank))
    ap = sum(max(p for _, p in precisions[k:]) for k, (hit, _) in enumerate(precisions) if hit)
    return (ap / positives if positives else float("nan")), len(hits), found


def _people(truth, action, verb):
    """By image: people as (box row, box, annotated), and what those who do the action do it to."""
    labels = truth.meta.labels
    people, targets = [], []
    for image in range(len(truth)):
        start, stop = (int(truth.box_offsets[image + k]) for k in (0, 1))
        boxes = [box_of(truth.boxes[row], truth.width[image], truth.height[image]) for row in range(start, stop)]
        people.append(
            [
                (row, boxes[row], truth.annotated[start + row])
                for row in range(stop - start)
                if truth.categories[start + row] == labels.person and boxes[row] is not None
            ]
        )
        held = {}
        for pair in range(truth.pair_offsets[image], truth.pair_offsets[image + 1]):
            mine = int(truth.label[pair])
            if labels.verb_actions[mine] == action and verb in (None, mine):
                obj = int(truth.object[pair])
                held[int(truth.subject[pair])] = boxes[obj] if obj >= 0 else None
        targets.append(held)
    return people, targets
