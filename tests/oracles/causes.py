"""The causes of HICO-DET's false positives and missed pairs, slowly and literally from docs/diagnose.md."""

from __future__ import annotations

from oracles.hico_det import iou


def overlaps(detection, truth) -> tuple[float, float]:
    """IoU of humans and of objects of (image, human, object, ...) rows, one-based."""
    return tuple(iou([v + 1 for v in detection[k]], [v + 1 for v in truth[k]]) for k in (1, 2))


def best(rows, value):
    """The row with the largest value, the first of equal ones; None of nothing."""
    made = None
    for row in rows:
        if made is None or value(row) > value(made):
            made = row
    return made


def cause_of(detection, hit, truths, verb, obj):
    """(cause, row of the closest truth or -1) of a detection (image, human, object, label), None for a true positive.

    truths  rows (image, human, object, label) in file order; verb, obj: of each label
    """
    there = [t for t, row in enumerate(truths) if row[0] == detection[0]]
    human = {t: overlaps(detection, truths[t])[0] for t in there}
    thing = {t: overlaps(detection, truths[t])[1] for t in there}
    pair = {t: min(human[t], thing[t]) for t in there}
    label = detection[3]
    own = best([t for t in there if truths[t][3] == label and pair[t] >= 0.1], pair.get)
    if own is not None:
        if pair[own] >= 0.5:
            return (None if hit else "duplicate"), own
        return ("human-box" if human[own] <= thing[own] else "object-box"), own
    fits = [t for t in there if pair[t] >= 0.5]
    same_verb = best([t for t in fits if verb[truths[t][3]] == verb[label]], pair.get)
    same_object = best([t for t in fits if obj[truths[t][3]] == obj[label]], pair.get)
    for found, cause in (
        (same_verb, "object-class"),
        (same_object, "verb-only"),
        (best(fits, pair.get), "object-class"),
    ):
        if found is not None:
            return cause, found
    things = [t for t in there if thing[t] >= 0.5]
    if not things or not any(human[t] >= 0.5 for t in there):
        half = best(
            [t for t in there if truths[t][3] == label and max(human[t], thing[t]) >= 0.5],
            lambda t: max(human[t], thing[t]),
        )
        if half is not None:
            return ("human-box" if human[half] <= thing[half] else "object-box"), half
    else:
        mine = [t for t in things if truths[t][3] == label]
        return "wrong-pair", best(mine or things, thing.get)
    return "background", -1


def reachable(truth, truths, pairs) -> bool:
    """Whether some predicted pair (image, human, object) of the image, if it had the truth's class, would find it."""
    rivals = [t for t, row in enumerate(truths) if row[0] == truths[truth][0] and row[3] == truths[truth][3]]
    for pair in pairs:
        if pair[0] == truths[truth][0]:
            value = {t: min(overlaps(pair, truths[t])) for t in rivals}
            if best(rivals, value.get) == truth and value[truth] >= 0.5:
                return True
    return False
