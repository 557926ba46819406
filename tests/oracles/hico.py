"""The HICO recognition protocol, written slowly and literally, one image after the other."""

from __future__ import annotations

import math

OFFICIAL = [0 + k * 0.1 for k in range(11)]  # for t = 0:0.1:1
DEFR = [float.fromhex(text) for text in (  # torch.linspace(0, 1, 11, dtype=torch.float64)
    "0x0p+0", "0x1.999999999999ap-4", "0x1.999999999999ap-3", "0x1.3333333333334p-2", "0x1.999999999999ap-2",
    "0x1p-1", "0x1.3333333333333p-1", "0x1.6666666666666p-1", "0x1.999999999999ap-1", "0x1.ccccccccccccdp-1", "0x1p+0",
)]  # fmt: skip


def official(labels, scores, known_object=False):
    """AP of one class as hico_benchmark computes it, None where it stops: labels 1, -1, 0 or None, by image."""
    kept = [(label, score) for label, score in zip(labels, scores, strict=True) if label != 0]
    if not any(label == 1 for label, _ in kept) or all(label == 1 for label, _ in kept):
        return None
    if known_object:  # the others go behind all of them
        kept = [(label, -1e10 if label is None else score) for label, score in kept]
    return _average_precision([(label == 1, score) for label, score in kept], OFFICIAL)


def defr(labels, scores, known_object=False):
    """AP of one class as DEFR computes it: what is ignored is ranked, but counts as neither right nor wrong."""
    taking = (1, -1) if known_object else (1, -1, None)
    if 1 not in labels:
        return 0.0
    return _average_precision(
        [(label == 1 if label in taking else None, s) for label, s in zip(labels, scores, strict=True)], DEFR
    )


def _average_precision(rows, thresholds):
    total = sum(hit is True for hit, _ in rows)
    ranking = sorted(rows, key=lambda row: (not math.isnan(row[1]), 0 if math.isnan(row[1]) else -row[1]))  # stable
    right = wrong = 0
    points = []
    for hit, _ in ranking:
        right += hit is True
        wrong += hit is False
        if right + wrong:
            points.append((right / total, right / (right + wrong)))
    ap = 0.0
    for t in thresholds:
        ap += max((precision for recall, precision in points if recall >= t), default=0.0) / 11
    return ap
