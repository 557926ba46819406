"""What the AP of each class would be if one cause were repaired and everything else stayed (an oracle fix).

duplicate, background   the detections are removed
the other causes        of the detections that speak of a truth that nothing has found, the best-ranked becomes its true
                        positive, in the truth's class, with its score, after equal scores there; all others are removed
                        (of wrong pairs also those whose closest truth is of another class)
missed pairs            are found, ranked before everything else of their class: an upper bound
all-false-positives     all of these removed; all-missed: all missed pairs found so

No repair lowers an AP; gains of several repairs do not add up. After Bolya et al., ECCV 2020 (TIDE), who remove missed
truths in place of finding them, which says nothing of a class whose truths are all missed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.diagnose.case import Case
from hoitool.diagnose.diagnosis import CAUSES, MISSES
from hoitool.diagnose.evidence import BACKGROUND, DUPLICATE, WRONG_PAIR, Evidence
from hoitool.eval.curves import area_under_curve, average_precision
from hoitool.eval.weighted import AREA

Array = NDArray[Any]
REMOVED = (DUPLICATE, BACKGROUND)


def repaired(case: Case, held: Evidence, missed: Array) -> dict[str, Array]:
    """The AP (K,) of the classes after each of `diagnosis.REPAIRS`.

    missed (T,) place in MISSES of the truths that count and are missed, -1 for others
    """
    nothing, label = np.zeros(len(case.label), bool), case.truths.label
    made = {}
    for number, name in enumerate(CAUSES):
        mine = held.cause == number
        made[name] = _ap(case, mine, *_turned(case, held, mine, number))
    for number, name in enumerate(MISSES):
        made[name] = _ap(case, nothing, *_first(case, label[missed == number]))
    made["all-false-positives"] = _ap(case, ~case.ranked.hit, *_first(case, label[:0]))
    made["all-missed"] = _ap(case, nothing, *_first(case, label[missed >= 0]))
    return made


def unrepaired(case: Case) -> Array:
    """(K,) the AP as it is: NaN for classes without truths where the protocol has none."""
    return _ap(case, np.zeros(len(case.label), bool), *_first(case, case.truths.label[:0]))


def ceiling(case: Case, reachable: Array) -> Array:
    """(K,) the AP of rankings that hold so many (K,) true positives and nothing else."""
    curve = _curve(case)
    made = np.array([curve(np.arange(n), n, t) for n, t in zip(reachable, case.ranked.truths, strict=True)])
    return _defined(case, made)


def _turned(case: Case, held: Evidence, mine: Array, cause: int) -> tuple[Array, Array]:
    """The classes of the detections of a cause that become true positives, and their places in all rankings."""
    rows = np.flatnonzero(mine & (held.closest >= 0))
    target = held.closest[rows]
    label = case.truths.label[target]
    free = ~held.found[target] & (label >= 0)
    if cause in REMOVED:
        free[:] = False
    if cause == WRONG_PAIR:
        free &= label == case.label[rows]
    rows, target, label = rows[free], target[free], label[free]
    best = np.argsort(-case.ranked.score[rows], kind="stable")
    _, first = np.unique(target[best], return_index=True)
    rows, label = rows[best[first]], label[best[first]]
    place = rows.copy()
    for k in np.unique(label[label != case.label[rows]]):
        moved = np.flatnonzero((label == k) & (case.label[rows] != k))
        own = case.ranked.of_class(int(k))
        scores = -case.ranked.score[own]
        place[moved] = own.start + np.searchsorted(scores, -case.ranked.score[rows[moved]], side="right")
    return label, place


def _first(case: Case, label: Array) -> tuple[Array, Array]:
    """The same for true positives before all detections of their classes."""
    return label, case.ranked.starts[label]


def _ap(case: Case, removed: Array, label: Array, place: Array) -> Array:
    """(K,) AP without the detections that are removed, and with true positives of a class before a place each."""
    starts, kept = case.ranked.starts, np.concatenate([[0], np.cumsum(~removed)])
    true = np.flatnonzero(case.ranked.hit)
    labels, places = np.concatenate([case.label[true], label]), np.concatenate([true, place])
    added = np.arange(len(labels)) >= len(true)
    order = np.lexsort((~added, places, labels))
    labels, places, added = labels[order], places[order], added[order]
    bounds = np.searchsorted(labels, np.arange(len(starts)))
    total = np.concatenate([[0], np.cumsum(added)])
    ranks = kept[places] - kept[starts[labels]] + total[:-1] - total[bounds[labels]]
    counts = np.diff(kept[starts]) + np.diff(total[bounds])
    curve = _curve(case)
    made = [
        curve(ranks[bounds[k] : bounds[k + 1]], int(counts[k]), int(truths))
        for k, truths in enumerate(case.ranked.truths)
    ]
    return _defined(case, np.array(made))


def _curve(case: Case) -> Callable[[Array, int, int], float]:
    """What makes AP of the ranks of true positives, the number of detections and of truths."""
    formula = case.ranked.formula
    if formula == AREA:
        return area_under_curve
    return lambda ranks, _, truths: average_precision(ranks, truths, formula)


def _defined(case: Case, ap: Array) -> Array:
    """AP, NaN for classes without truths where the protocol has no AP of them."""
    lacking = (case.ranked.truths == 0) & (case.ranked.formula == AREA)
    ap[lacking] = np.nan
    return ap
