"""The families of Open Images VRD, written slowly and literally from docs/protocols/open-images-vrd.md.

truth       [(image, subject box, subject class, predicate, object class, object box), ...]
predictions [(image, subject box, subject class, object class, object box, scores of all predicates), ...], final scores
Boxes are inclusive pixel indices; continuous ones of the same pixels, which oid-challenge compares, overlap the same.
Numbers are Python's (float64), so cases must not hang on the last bit of float32.
"""

from __future__ import annotations

from collections import defaultdict


def iou(a, b, single_pixel=True) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    least = 0 if single_pixel else 1
    if width <= least or height <= least:
        return 0.0

    def area(box):
        return (box[2] - box[0] + 1) * (box[3] - box[1] + 1)

    return width * height / (area(a) + area(b) - width * height)


def around(a, b):
    return (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))


def overlaps(true, row, phrase, **how) -> float:
    if phrase:
        return iou(around(true[1], true[5]), around(row["sub"], row["obj"]), **how)
    return min(iou(true[1], row["sub"], **how), iou(true[5], row["obj"], **how))


def ranked(predictions, image, per_pair, most, least):
    """The triplets of an image that count, best first."""
    rows = []
    for found, sub, sub_class, obj_class, obj, scores in predictions:
        if found != image:
            continue
        best = sorted(range(len(scores)), key=lambda p: -scores[p])[:per_pair] if per_pair else range(len(scores))
        for p in best:
            triplet = (sub_class, p, obj_class)
            rows.append({"image": image, "sub": sub, "obj": obj, "triplet": triplet, "score": scores[p]})
    rows.sort(key=lambda row: -row["score"])
    return [row for row in rows[:most] if row["score"] > least]


def triplet_of(true):
    return true[2], true[3], true[4]


def matched(truth, rows, phrase, strict, **how):
    """Whether each row, best first, is a true positive."""
    taken, flags = set(), []
    for row in rows:
        best, at = 0.0, None
        for i, true in enumerate(truth):
            if true[0] != row["image"] or triplet_of(true) != row["triplet"]:
                continue
            overlap = overlaps(true, row, phrase, **how)
            if overlap > best:
                best, at = overlap, i
        enough = best > 0.5 if strict else best >= 0.5
        flags.append(at is not None and enough and at not in taken)
        if flags[-1]:
            taken.add(at)
    return flags


def area(flags, total, tail) -> float:
    """The integral as PySGG and SGTR write it, with sentinels at both ends."""
    recall, precision, hits = [0.0], [0.0], 0
    for n, flag in enumerate(flags, 1):
        hits += flag
        recall.append(hits / total)
        precision.append(hits / n)
    recall.append(1.0)
    precision.append(0.0)
    for i in range(len(precision) - 2, -1, -1):
        precision[i] = max(precision[i], precision[i + 1])
    steps = [i for i in range(len(recall) - 1) if recall[i + 1] != recall[i]]
    return sum((recall[i + 1] - recall[i]) * precision[i if tail else i + 1] for i in steps)


def eleven(flags, total) -> float:
    hits, points = 0, []
    for n, flag in enumerate(flags, 1):
        hits += flag
        points.append((hits / total, hits / n))
    return sum(max((p for r, p in points if r >= k * 0.1), default=0.0) for k in range(11)) / 11


def predicate_family(truth, predictions, images, predicates, variant):
    """The figures of pysgg, sgtr and oid-challenge (without labels of images)."""
    challenge = variant == "oid-challenge"
    if challenge:
        there = [
            {label for true in truth if true[0] == image for label in triplet_of(true)[::2]} for image in range(images)
        ]
        predictions = [row for row in predictions if {row[2], row[3]} <= there[row[0]]]
    per_pair, most = (None, None) if challenge else (2, 100)
    least = {"pysgg": 1e-5, "sgtr": 0.0}.get(variant, float("-inf"))
    lists = {image: ranked(predictions, image, per_pair, most, least) for image in range(images)}
    everything = sorted((row for rows in lists.values() for row in rows), key=lambda row: -row["score"])
    made = {}
    for name, phrase in (("rel", False), ("phr", True)):
        flags = matched(truth, everything, phrase, not challenge)
        aps = []
        for p in range(predicates):
            total = sum(true[3] == p for true in truth)
            mine = [flag for row, flag in zip(everything, flags, strict=True) if row["triplet"][1] == p]
            aps.append((area(mine, total, variant == "sgtr") if total and mine else 0.0, total))
        averaged = [ap for ap, total in aps if total or not challenge]
        made[f"mAP_{name}"] = sum(averaged) / len(averaged)
        made[f"wmAP_{name}"] = sum(ap * total for ap, total in aps) / len(truth)
        if not phrase and challenge:
            hits = {id(row) for row, flag in zip(everything, flags, strict=True) if flag}
            for k in (50, 100):
                made[f"R@{k}"] = sum(id(row) in hits for rows in lists.values() for row in rows[:k]) / len(truth)
    if not challenge:
        for k in (50, 100):
            found = [
                any(
                    triplet_of(true) == row["triplet"] and overlaps(true, row, False) >= 0.5
                    for row in lists[true[0]][:k]
                )
                for true in truth
            ]
            made[f"R@{k}"] = sum(found) / len(truth)
    return made


def suppressed(rows, cover, threshold):
    """Rows after greedy NMS within each triplet: triplets by their first row, each best first."""
    groups = defaultdict(list)
    for row in rows:
        groups[row["triplet"]].append(row)
    kept = []
    for group in groups.values():
        mine = []
        for row in sorted(group, key=lambda row: -row["score"]):
            if all(cover(other, row) <= threshold for other in mine):
                mine.append(row)
        kept.extend(mine)
    return kept


def triplet_family(truth, predictions, images, misplaced):
    """The figures of rlipv2 and rlipv2-fixed."""
    classes = defaultdict(int)
    for true in truth:
        classes[triplet_of(true)] += 1
    how = {"single_pixel": False}
    relations, phrases, recalled = [], [], {50: 0, 100: 0}
    for image in range(images):
        top = ranked(predictions, image, None, 100, float("-inf"))
        for k in (50, 100):
            rows = suppressed(top[:k], lambda a, b: iou(a["sub"], b["sub"]) * iou(a["obj"], b["obj"]) ** 0.5, 0.7)
            rows.sort(key=lambda row: -row["score"])
            flags = matched(truth, rows, False, False, **how)
            recalled[k] += sum(flags)
        if any(true[0] == image for true in truth):
            relations += list(zip(rows, flags, strict=True))
        rows = suppressed(top, lambda a, b: iou(a["sub"], b["sub"]) * iou(a["obj"], b["obj"]) ** 0.5, 0.7)
        listed = suppressed(rows, lambda a, b: iou(around(a["sub"], a["obj"]), around(b["sub"], b["obj"])), 0.5)
        ordered = sorted(listed, key=lambda row: -row["score"])
        phrases += phrase_flags(truth, listed if misplaced else ordered, ordered, classes, how)
    made = {f"R@{k}": count / len(truth) for k, count in recalled.items()}
    for name, rows in (("rel", relations), ("phr", phrases)):
        rows.sort(key=lambda each: -each[0]["score"])
        aps = {}
        for triplet, total in classes.items():
            aps[triplet] = eleven([flag for row, flag in rows if row["triplet"] == triplet], total)
        made[f"mAP_{name}"] = sum(aps.values()) / len(aps)
        made[f"wmAP_{name}"] = sum(ap * classes[triplet] for triplet, ap in aps.items()) / len(truth)
    return made


def phrase_flags(truth, compared, ordered, classes, how):
    """Rows in their order, each judged by the overlaps of the row at its place in `compared`."""
    taken, made = set(), []
    for other, row in zip(compared, ordered, strict=True):
        best, at = 0.0, None
        for i, true in enumerate(truth):
            if true[0] == other["image"] and triplet_of(true) == other["triplet"]:
                overlap = overlaps(true, other, True, **how)
                if overlap >= 0.5 and overlap > best:
                    best, at = overlap, i
        if row["triplet"] not in classes:
            continue
        made.append((row, at is not None and at not in taken))
        if made[-1][1]:
            taken.add(at)
    return made


def figures(truth, predictions, images, predicates, variant):
    """All figures of a variant."""
    if variant.startswith("rlipv2"):
        made = triplet_family(truth, predictions, images, variant == "rlipv2")
    else:
        made = predicate_family(truth, predictions, images, predicates, variant)
    made["score"] = 0.2 * made["R@50"] + 0.4 * made["mAP_rel"] + 0.4 * made["mAP_phr"]
    made["score_wtd"] = 0.2 * made["R@50"] + 0.4 * made["wmAP_rel"] + 0.4 * made["wmAP_phr"]
    return made
