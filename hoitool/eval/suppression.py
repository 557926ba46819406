"""What some evaluators do to detections before they score them: caps per image, pair NMS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.boxes import area
from hoitool.eval.matching import Overlap, Pairs

Array = NDArray[Any]


@dataclass(frozen=True)
class PairSuppression:
    """Greedy NMS of pairs of one interaction: IoU(human)**human_power * IoU(object)**object_power above threshold."""

    threshold: float
    human_power: float
    object_power: float


def best_per_image(pairs: Pairs, most: int) -> Array:
    """Rows of the `most` best-scored pairs of each image, in file order; the earlier row wins a tie."""
    order, image = _by_image(pairs)
    starts = np.searchsorted(image, image)
    return np.sort(order[np.arange(len(order)) - starts < most])


def suppress(pairs: Pairs, rule: PairSuppression, how: Overlap) -> Array:
    """Rows that survive the NMS, by image and falling score. Of equal scores the later row goes first, as in the
    reversed sort of the original.

    All (image, label) groups advance together: each round keeps every group's best row and drops what it covers.
    """
    reverse = np.arange(len(pairs))[::-1]
    order = reverse[np.argsort(-_score(pairs)[reverse], kind="stable")]
    group = pairs.image.astype(np.int64) * (int(pairs.label.max(initial=0)) + 1) + pairs.label
    alive = order[np.argsort(group[order], kind="stable")]
    kept = []
    while len(alive):
        mine = group[alive]
        head = np.searchsorted(mine, mine)
        is_head = head == np.arange(len(alive))
        kept.append(alive[is_head])
        rest, best = alive[~is_head], alive[head[~is_head]]
        alive = rest[(_cover(pairs, best, rest, rule, how) <= rule.threshold) | (pairs.object[rest] < 0)]
    survives = np.zeros(len(pairs), bool)
    survives[np.concatenate(kept or [order])] = True
    order = order[survives[order]]
    return order[np.argsort(pairs.image[order], kind="stable")]


def _cover(pairs: Pairs, best: Array, rest: Array, rule: PairSuppression, how: Overlap) -> Array:
    (best_human, best_object), (human, obj) = pairs.corners(best, how), pairs.corners(rest, how)
    product: Array = np.power(_iou(best_human, human, how), rule.human_power)
    return product * np.power(_iou(best_object, obj, how), rule.object_power)


def _iou(a: Array, b: Array, how: Overlap) -> Array:
    """IoU whose sides are clipped at zero, as NMS code has it: one pixel of intersection counts."""
    one = a.dtype.type(how.edges == "inclusive")
    zero = a.dtype.type(0)
    width = np.maximum(zero, np.minimum(a[:, 2], b[:, 2]) - np.maximum(a[:, 0], b[:, 0]) + one)
    height = np.maximum(zero, np.minimum(a[:, 3], b[:, 3]) - np.maximum(a[:, 1], b[:, 1]) + one)
    inter = width * height
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Array = inter / (area(a, how.edges) + area(b, how.edges) - inter)
    return ratio


def _by_image(pairs: Pairs) -> tuple[Array, Array]:
    """Rows by image and falling score, ties in file order, and the image of each."""
    order = np.argsort(-_score(pairs), kind="stable")
    order = order[np.argsort(pairs.image[order], kind="stable")]
    return order, pairs.image[order]


def _score(pairs: Pairs) -> Array:
    assert pairs.score is not None
    return pairs.score
