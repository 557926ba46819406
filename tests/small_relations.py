"""Relations and predictions of a small world, as rows that an oracle reads and as data."""

from __future__ import annotations

import numpy as np
from builders import RELATIONS, relation_predictions, relations_of

from hoitool.data import Dataset, Predictions


def found_of(rows, images: int = 1) -> Predictions:
    """Predictions from the oracle's rows, by image."""
    objects, verbs = RELATIONS.objects, RELATIONS.verbs
    held = [(i, s, objects[a], verbs[0], objects[b], o) for i, s, a, b, o, _ in rows]
    scores = np.array([row[5] for row in rows], float).reshape(-1, len(verbs))
    return relation_predictions(relations_of(held, images), scores)


def truth_of(rows, images: int = 1) -> Dataset:
    objects, verbs = RELATIONS.objects, RELATIONS.verbs
    return relations_of([(i, s, objects[a], verbs[p], objects[b], o) for i, s, a, p, b, o in rows], images)


def drawn(seed: int, images: int, relations: int, pairs: int):
    """Rows of a small world: boxes on a coarse grid, so that overlaps of a half are common; no equal scores."""
    rng = np.random.default_rng(seed)

    def box():
        low = rng.integers(0, 4, 2) * 3
        return tuple(float(v) for v in [*low, *(low + rng.choice([2, 5, 8], 2))])

    truth = sorted(
        (int(rng.integers(images)), box(), int(rng.integers(2)), int(rng.integers(3)), int(rng.integers(2)), box())
        for _ in range(relations)
    )
    found = sorted(
        (
            (
                int(rng.integers(images)),
                box(),
                int(rng.integers(2)),
                int(rng.integers(2)),
                box(),
                rng.random(3).tolist(),
            )
            for _ in range(pairs)
        ),
        key=lambda row: row[0],
    )
    for row in found:  # some are true ones, moved a little or not at all
        if rng.random() < 0.6:
            true = truth[int(rng.integers(len(truth)))]
            found[found.index(row)] = (row[0], true[1], true[2], true[4], true[5], row[5])
    return truth, found
