"""The official V-COCO protocol, written slowly and literally, a detection after the other: docs/protocols/v-coco.md."""

from __future__ import annotations

import itertools
import math

import numpy as np

F = np.float32


def true_box(box, size):
    """x y w h as the official code stores it, None when nothing of it is left."""
    x, y, w, h = box
    corners = [x, y, x + max(0, w - 1), y + max(0, h - 1)]
    limits = [size[0] - 1, size[1] - 1] * 2
    x1, y1, x2, y2 = [min(max(c, 0), limit) for c, limit in zip(corners, limits, strict=True)]
    return [F(x1), F(y1), F(x2), F(y2)] if x2 > x1 and y2 > y1 else None


def iou(a, b):
    """Overlap with the + 1 of pixels, in float32; nothing where the intersection is empty."""
    one = F(1)
    width = min(a[2], b[2]) - max(a[0], b[0]) + one
    height = min(a[3], b[3]) - max(a[1], b[1]) + one
    if not (width > 0 and height > 0):
        return F(0)
    inter = width * height
    area_a = (a[2] - a[0] + one) * (a[3] - a[1] + one)
    area_b = (b[2] - b[0] + one) * (b[3] - b[1] + one)
    return inter / (area_a + area_b - inter)


def evaluate(people, detections, scenario=None, min_iou=0.5):
    """What every order of equal scores can give for one action, or one role of it.

    people      {image: [person]} in file order; a person is a dict of box (x1 y1 x2 y2), annotated, does, and target:
                the box of the role's object, None for an empty role
    detections  [(image, person box, object box or None, score)] in order; a box is x1 y1 x2 y2
    scenario    1, 2, or None for agents
    Returns (AP, recall, counted, true positives) in the order given, and the least and largest AP of all orders.
    """
    truths = sum(person["does"] for held in people.values() for person in held)
    counted = [d for d in detections if judged(people.get(d[0], []), d[1]) is not None and not math.isnan(d[3])]
    given = sorted(counted, key=lambda d: -F(d[3]))
    ap, recall, hits = ranked(people, given, truths, scenario, min_iou)
    aps = [ranked(people, order, truths, scenario, min_iou)[0] for order in orders(given)]
    return ap, recall, len(counted), hits, min(aps), max(aps)


def orders(given, most=5000):
    """Every order of detections that leaves falling scores; at most so many."""
    groups = [list(group) for _, group in itertools.groupby(given, key=lambda d: F(d[3]))]
    made = itertools.product(*[list(itertools.permutations(group)) for group in groups])
    return [[d for group in choice for d in group] for choice in itertools.islice(made, most)]


def judged(people, box):
    """The place of the person that a detection is judged by; -1 in an image without people; None: it is left out."""
    if not people:
        return -1
    overlaps = [iou(person["box"], [F(v) for v in box]) for person in people]
    at = overlaps.index(max(overlaps))
    return at if people[at]["annotated"] else None


def ranked(people, order, truths, scenario, min_iou):
    """AP, final recall and true positives of counted detections in an order."""
    covered, flags = set(), []
    for image, box, obj, _ in order:
        held = people.get(image, [])
        at = judged(held, box)
        flags.append(False)
        if at < 0 or not held[at]["does"] or (image, at) in covered:
            continue
        person = held[at]
        if iou(person["box"], [F(v) for v in box]) < F(min_iou):
            continue
        if scenario is not None:
            if person["target"] is None:
                fits = scenario == 2 or obj is None
            else:
                fits = obj is not None and iou(person["target"], [F(v) for v in obj]) >= F(min_iou)
            if not fits:
                continue
        covered.add((image, at))
        flags[-1] = True
    if not truths:
        return math.nan, math.nan, sum(flags)
    ap, last = 0.0, 0.0
    precision = [sum(flags[: i + 1]) / (i + 1) for i in range(len(flags))]
    for i, flag in enumerate(flags):
        recall = sum(flags[: i + 1]) / truths
        if flag:
            ap += (recall - last) * max(precision[i:])
            last = recall
    return ap, last, sum(flags)
